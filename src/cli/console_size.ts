/**
 * Tells a guest the size of the terminal that shows its console, because a serial line cannot.
 *
 * Nothing is sent on the line itself, where it could reach a program that does not expect it. stty(1) in the guest, run
 * over SSH, sets the size: when the console is attached, when its member begins to run, and when the terminal's size
 * changes. A guest that SSH does not reach keeps its size. {@link SIZE_FILE} has the size, too, for a login that opens
 * the line again (`src/guest/seed.ts`).
 */

import { Limit } from "../core/deadline.ts";
import { getReport, watch } from "../control.ts";
import { shellQuote } from "../core/quoting.ts";
import { SIZE_FILE } from "../guest/seed.ts";
import type { Store } from "../store.ts";
import { run } from "../system/process.ts";
import { sshArguments } from "./arguments/ssh_arguments.ts";
import { terminalSize } from "./terminal/output.ts";

/** How long a guest's SSH server may take; otherwise this size is skipped. */
const LIMIT_MS = 15_000;

/** Keeps a member's console at the size of this terminal until the signal fires. Failures are silent. */
export function keepConsoleSize(store: Store, name: string, signal: AbortSignal): void {
  let work: Promise<void> | undefined;
  let isDue = false;
  const tell = () => {
    isDue = true;
    work ??= (async () => {
      while (isDue && !signal.aborted) {
        isDue = false;
        await tellSize(store, name, signal).catch(() => {});
      }
      work = undefined;
    })();
  };
  tell();
  Deno.addSignalListener("SIGWINCH", tell);
  signal.addEventListener("abort", () => Deno.removeSignalListener("SIGWINCH", tell), { once: true });
  onRunning(store, name, signal, tell).catch(() => {});
}

/** Calls back whenever the member begins to run. */
async function onRunning(store: Store, name: string, signal: AbortSignal, then: () => void): Promise<void> {
  let before: string | undefined;
  for await (const event of watch(store, name, signal)) {
    if (event.event !== "member" || event.member.name !== name) continue;
    const { state } = event.member;
    if (state === "running" && before !== undefined && before !== "running") then();
    before = state;
  }
}

async function tellSize(store: Store, name: string, signal: AbortSignal): Promise<void> {
  const report = await getReport(store, name);
  if (!report?.running || !report.ssh) return;
  const { rows, columns } = terminalSize();
  const script = `echo "$1 $2" >${SIZE_FILE}; exec stty -F /dev/console rows "$1" cols "$2"`;
  const command = ["sudo", "-n", "sh", "-c", script, "sh", String(rows), String(columns)].map(shellQuote).join(" ");
  using limit = new Limit(LIMIT_MS);
  await run("ssh", ["-o", "BatchMode=yes", ...sshArguments(store, report.ssh, { tty: false, command })], {
    signal: AbortSignal.any([signal, limit.signal]),
  });
}
