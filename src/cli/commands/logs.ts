/** `fleetbox logs`: a member's console, or its holder's own log. */

import { Command } from "../arguments/parser.ts";
import { watch } from "../../control.ts";
import { journalLine, openJournal } from "../../control/bytes/journal.ts";
import { FleetboxError } from "../../core/errors.ts";
import { checkName, listed } from "../../core/names.ts";
import { exists } from "../../system/files.ts";
import type { Store } from "../../store.ts";
import { scriptLog } from "../../store/scripts.ts";
import { followFile } from "../follow.ts";
import { Interrupt } from "../terminal/interrupt.ts";
import { wholeNumber } from "../arguments/member_options.ts";
import { type MemberFacts, observeGroups } from "../../control/observe.ts";
import { outputClosed, warn, write, writeBytes } from "../terminal/output.ts";
import { reach } from "../ssh/ssh_endpoint.ts";
import { openStore } from "../arguments/open_store.ts";
import { requireMember } from "../arguments/store_access.ts";
import { TerminalText } from "../terminal/text.ts";

interface Flags {
  follow?: boolean;
  holder?: boolean;
  journal?: boolean;
  run?: boolean;
  lines?: string;
}

export function logsCommand(): Command {
  return new Command("logs")
    .description("print what a member wrote to its console, or its journal")
    .argument("<name>", "the member")
    .option("-f, --follow", "continue with new output, until Ctrl-C")
    .option("-n, --lines <count>", "only the last lines")
    .option("--journal", "the journal of a guest with systemd instead, since its boot, with the host's times")
    .option("--holder", "the log of the holder that serves the member instead")
    .option("--run", "what its scripts said when they ran last (up --run) instead")
    .addHelpText(
      "after",
      `
On a terminal, escape sequences and control characters are left out; a pipe gets
every byte. A last line without a newline gets one. A journal is read from the
guest over SSH, so it must run.

Examples:
  fleetbox logs a -n 20
  fleetbox logs a -f
  fleetbox logs deb --journal -f`,
    )
    .action(async (word: string, flags: Flags) => {
      const lines = flags.lines === undefined ? undefined : wholeNumber("-n", flags.lines, 0);
      const asked = (["journal", "holder", "run"] as const).filter((log) => flags[log]).map((log) => `--${log}`);
      if (asked.length > 1) {
        const found = `found ${asked.length === 2 ? "both" : "all"}, expected one of them`;
        throw new FleetboxError(
          "misuse",
          `${listed(asked)} are ${asked.length === 2 ? "two" : "three"} logs: ${found}`,
        );
      }
      const store = openStore();
      if (flags.journal) return await printJournal(store, checkName(word), lines, flags.follow ?? false);
      const member = await requireMember(store, checkName(word));
      const path = flags.holder
        ? holderLog(store, member)
        : flags.run
        ? scriptLog(store, member.name)
        : store.member(member.name).serialLog;
      if (!exists(path)) {
        if (flags.run && !flags.follow) return warn(`no script has run in ${member.name}`);
        if (!flags.follow) return warn(`${member.name} has written nothing yet`);
        warn(`waiting for the first output of ${member.name}`);
      }
      using interrupt = new Interrupt(() => undefined);
      if (flags.follow) await untilMade(store, member.name, interrupt.signal);
      const output = new LogOutput();
      for await (const bytes of followFile(path, { lines, follow: flags.follow, signal: interrupt.signal })) {
        output.write(bytes);
        if (outputClosed()) return;
      }
      output.end();
      if (interrupt.happened) throw new FleetboxError("interrupted", "Interrupted");
    });
}

async function printJournal(
  store: Store,
  word: string,
  lines: number | undefined,
  follow: boolean,
): Promise<void> {
  const { name } = await requireMember(store, word);
  await reach(store, name);
  using interrupt = new Interrupt(() => undefined);
  const wish = { follow, ...lines === undefined ? {} : { lines } };
  using stream = await openJournal(store, name, wish, interrupt.signal);
  for (let entries; (entries = await stream?.read()) !== undefined;) {
    write(entries.map(journalLine).join(""));
    if (outputClosed()) return;
  }
  if (interrupt.happened) throw new FleetboxError("interrupted", "Interrupted");
}

/** Writes a log to standard output: every byte in a pipe, its text on a terminal, and a newline at its end. */
class LogOutput {
  #text = Deno.stdout.isTerminal() ? new TerminalText() : undefined;
  #decoder = new TextDecoder();
  #isLineOpen = false;

  write(bytes: Uint8Array): void {
    const shown = this.#text ? encode(this.#text.push(this.#decoder.decode(bytes, { stream: true }))) : bytes;
    if (shown.length === 0) return;
    writeBytes(shown);
    this.#isLineOpen = shown.at(-1) !== 0x0a;
  }

  /** A guest's prompt has no newline: adds one, so that the user's own prompt begins a line. */
  end(): void {
    if (this.#isLineOpen) write("\n");
    this.#isLineOpen = false;
  }
}

const encode = (text: string) => new TextEncoder().encode(text);

/** Returns when a member that is being made has a directory, which can then be watched. */
async function untilMade(store: Store, name: string, signal: AbortSignal): Promise<void> {
  const { dir } = store.member(name);
  if (exists(dir)) return;
  for await (const _ of watch(store, name, signal)) if (exists(dir)) return;
}

/**
 * The log of the holder that serves a member, or served it last. It is named after the holder's first member, which may
 * be any of the group: the latest log counts.
 */
function holderLog(store: Store, { name, report }: MemberFacts): string {
  const group = observeGroups(store).find(({ members }) => members.includes(name));
  const candidates = new Set([report?.group ?? name, name, ...group?.members ?? []]);
  const written = [...candidates].map((first) => {
    const path = store.holderLog(first);
    return { path, at: exists(path) ? Deno.statSync(path).mtime?.getTime() ?? 0 : -1 };
  });
  const { path, at } = written.reduce((best, one) => one.at > best.at ? one : best);
  if (at >= 0) return path;
  throw new FleetboxError("not-found", `There is no log of a holder of "${name}"`, {
    hint: `Logs of holders are ${store.holderLog("FIRST-MEMBER")}`,
  });
}
