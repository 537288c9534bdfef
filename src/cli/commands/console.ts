/** `fleetbox console`: a member's serial console. */

import { Limit, pause } from "../../core/deadline.ts";
import { Command } from "../arguments/parser.ts";
import { type ConsoleStream, openConsole, watch } from "../../control.ts";
import { FleetboxError, fromWireError } from "../../core/errors.ts";
import { checkName } from "../../core/names.ts";
import type { Store } from "../../store.ts";
import { settledRecords } from "../../store/orphans.ts";
import { keepConsoleSize } from "../console_size.ts";
import { findDetach, lastScreen, TerminalModes } from "../terminal/console_screen.ts";
import { parseDurationMs } from "../arguments/duration.ts";
import { Interrupt } from "../terminal/interrupt.ts";
import { type MemberFacts, observeGroups, observeMember, orphanGroup } from "../../control/observe.ts";
import { outputClosed, warn, write, writeBytes } from "../terminal/output.ts";
import { RawTerminal } from "../terminal/raw_terminal.ts";
import { openStore } from "../arguments/open_store.ts";
import { requireMember } from "../arguments/store_access.ts";
import { adoptAndTell } from "../adopt_and_tell.ts";

/** How long a holder may take to report the state of a member whose console ended. */
const AFTERMATH_MS = 5_000;

interface Flags {
  linger: string;
}

export function consoleCommand(): Command {
  return new Command("console")
    .description("attach to a member's serial console; Ctrl-] detaches")
    .argument("<name>", "the member")
    .option("--linger <duration>", "how long to listen after the end of an input that is not a terminal", "1s")
    .addHelpText(
      "after",
      `
For when the network of a guest is broken, or while it boots. The last screen is shown first. All keys
but Ctrl-] go to the guest, Ctrl-C too. Several may be attached to one console: they share it.
While SSH reaches the guest, its console gets the size of your terminal, also when that changes.
In micro, Enter gives a root shell; other images ask for a login of their own.

Without a terminal, standard input is typed and what the guest says goes to standard output, byte for byte,
from now on; it ends with the input.

Examples:
  fleetbox console a
  printf '\\nuname -a\\n' | fleetbox console a --linger 3s`,
    )
    .action(async (word: string, flags: Flags) => {
      const lingerMs = parseDurationMs(flags.linger, "--linger", { allowZero: true });
      const store = openStore();
      const member = await requireMember(store, checkName(word));
      if (member.silence) throw member.silence;
      await adoptAndTell(store, [member.name]);
      using stream = await openConsole(store, member.name);
      if (!stream) throw notServed(store, member);
      await attach(store, member.name, stream, lingerMs);
    });
}

/** Why it ended. */
type End = "detached" | "input-ended" | "machine-gone" | "output-closed" | "interrupted";

async function attach(store: Store, name: string, stream: ConsoleStream, lingerMs: number): Promise<void> {
  const modes = new TerminalModes();
  const isTyped = Deno.stdin.isTerminal();
  const terminal = isTyped ? new RawTerminal() : undefined;
  const restore = () => {
    if (Deno.stdout.isTerminal()) write(modes.undo());
    terminal?.restore();
  };
  using interrupt = new Interrupt(() => void restore());
  const over = new AbortController();
  let end: End;
  try {
    if (isTyped) keepConsoleSize(store, name, over.signal);
    if (isTyped) warn(`console of ${name}; Ctrl-] detaches\r`);
    if (Deno.stdout.isTerminal()) write(lastScreen(stream.replay, screenSize()));
    const interrupted = new Promise<End>((resolve) =>
      interrupt.signal.addEventListener("abort", () => resolve("interrupted"))
    );
    const input = isTyped ? typeOn(stream) : pipeInto(stream, lingerMs);
    end = await Promise.race([show(stream, modes), input, interrupted]);
  } finally {
    over.abort();
    restore();
  }
  if (isTyped) warn(end === "detached" ? `\ndetached from ${name}` : "");
  if (end === "interrupted") throw new FleetboxError("interrupted", "Interrupted");
  if (end === "machine-gone") await tellEnd(store, name);
}

/** Shows the guest's output until its machine is gone. */
async function show(stream: ConsoleStream, modes: TerminalModes): Promise<End> {
  for (let bytes = await stream.read(); bytes; bytes = await stream.read()) {
    modes.push(bytes);
    writeBytes(bytes);
    if (outputClosed()) return "output-closed";
  }
  return "machine-gone";
}

/** Sends the keys until one of them detaches. */
async function typeOn(stream: ConsoleStream): Promise<End> {
  const buffer = new Uint8Array(4 * 1024);
  for (;;) {
    const count = await Deno.stdin.read(buffer).catch(() => null);
    if (count === null) return "detached"; // the terminal is gone
    const typed = buffer.slice(0, count);
    const detach = findDetach(typed);
    await send(stream, detach === undefined ? typed : typed.subarray(0, detach));
    if (detach !== undefined) return "detached";
  }
}

/** Sends all of standard input, then waits for the guest's answer for a moment. */
async function pipeInto(stream: ConsoleStream, lingerMs: number): Promise<End> {
  const buffer = new Uint8Array(16 * 1024);
  for (let count = await Deno.stdin.read(buffer); count !== null; count = await Deno.stdin.read(buffer)) {
    await send(stream, buffer.slice(0, count));
  }
  await pause(lingerMs);
  return "input-ended";
}

/** Types. When the machine is gone it never returns, because showing its last output ends the command. */
async function send(stream: ConsoleStream, bytes: Uint8Array): Promise<void> {
  try {
    await stream.write(bytes);
  } catch {
    await new Promise<never>(() => {});
  }
}

function screenSize(): { rows: number; columns: number } {
  try {
    const { rows, columns } = Deno.consoleSize();
    // One row for the line that says how to detach.
    return { rows: Math.max(1, (rows || 24) - 1), columns: columns || 80 };
  } catch {
    return { rows: 23, columns: 80 };
  }
}

/** A machine that shut down in order is fine. @throws {FleetboxError} any other end. */
async function tellEnd(store: Store, name: string): Promise<void> {
  using patience = new Limit(AFTERMATH_MS);
  for await (const event of watch(store, name, patience.signal)) {
    if (event.event === "gone" && event.name === name) break;
    if (event.event !== "member" || event.member.name !== name) continue;
    const { state, failure } = event.member;
    if (state === "error" && failure) throw fromWireError(failure);
    if (state === "stopped" || state === "error") break;
  }
  await settledRecords(store, [name]); // a killed holder remains a process for a moment
  const member = await observeMember(store, name);
  if (isOrphan(store, name)) throw notServed(store, member);
  if (member.report?.running) {
    throw new FleetboxError("failed", `The console of "${name}" ended with its holder; another serves "${name}" now`, {
      hint: `Attach again: fleetbox console ${name}`,
    });
  }
  warn(`${name} is ${member.report?.state ?? "down"}`);
}

function isOrphan(store: Store, name: string): boolean {
  return orphanGroup(observeGroups(store), name) !== undefined;
}

function notServed(store: Store, { name }: MemberFacts): FleetboxError {
  const orphans = orphanGroup(observeGroups(store), name);
  if (orphans) {
    return new FleetboxError(
      "conflict",
      `"${name}" has no holder, because it was killed, so its console is not available`,
      {
        hint: orphans.isComingBack
          ? `It is being adopted; attach again: fleetbox console ${name}`
          : `Adopt it: fleetbox up ${name}`,
      },
    );
  }
  return new FleetboxError("conflict", `"${name}" has no console: it is not running`, {
    hint: `Boot it: fleetbox up ${name}; or read its log: fleetbox logs ${name}`,
  });
}
