/** The verb `journal`: a line, then the entries of a guest's journal, a line each, until the client leaves or the guest ends. */

import { writeAll } from "../../core/bytes.ts";
import { FleetboxError } from "../../core/errors.ts";
import { LineSplitter } from "../../core/lines.ts";
import { printable } from "../../core/printable.ts";
import { isCursor, JournalReader, journalScript, type JournalWish, NO_JOURNAL } from "../../guest/journal.ts";
import { sessionArguments, sshHint } from "../../guest/ssh_probe.ts";
import { start } from "../../system/process.ts";
import { encodeLine, type JournalGreeting } from "../../wire.ts";
import type { Member } from "../member/member.ts";
import { runOf } from "../member/phases.ts";
import type { Client } from "../server/client.ts";

const CONNECT_SECONDS = 10;
/** A longer entry is left out: journalctl itself keeps fields short. */
const MAX_LINE = 1024 * 1024;
const MAX_LINES = 1_000_000;

/**
 * Serves a journal to its end.
 * @throws {FleetboxError} `conflict`: it does not run; `unavailable`: its guest has no journal; `failed`: it cannot be reached
 */
export async function serveJournal(member: Member, wish: JournalWish, client: Client): Promise<void> {
  check(wish);
  const { name, state, context } = member;
  const run = runOf(member.phases.now);
  const ssh = run?.ssh;
  if (run?.guest?.agentSocket !== undefined) throw noJournal(name); // an image of ours, without systemd
  if (!ssh) {
    throw new FleetboxError("conflict", `Cannot read the journal of "${name}": it is ${state}, expected running`, {
      hint: `Start it first: fleetbox up ${name}`,
    });
  }
  const decoder = new TextDecoder();
  const lines = new LineSplitter({ max: MAX_LINE, overlong: "cut" });
  const reader = new JournalReader();
  const conn = client.upgrade();
  const write = (value: object) => writeAll(conn, new TextEncoder().encode(encodeLine(value)));
  const end = () => void child.kill("SIGTERM");
  const endpoint = { ...ssh, port: member.sshPort ?? ssh.port };
  const session = { connectSeconds: CONNECT_SECONDS, command: journalScript(wish) };
  const child = start("ssh", sessionArguments(endpoint, context.store.key, session), {
    async onBytes(bytes) {
      for (const line of lines.push(decoder.decode(bytes, { stream: true }))) {
        const isFirst = !reader.hasBegun;
        const entry = reader.line(line);
        if (isFirst && reader.hasBegun) await write({ event: "journal", name } satisfies JournalGreeting).catch(end);
        if (entry) await write(entry).catch(end);
      }
    },
    hint: sshHint(),
  });
  void client.left().then(end);
  const { code } = await child.exited;
  if (!reader.hasBegun) throw failure(name, code, child.tail());
}

function failure(name: string, code: number, tail: string): FleetboxError {
  if (code === NO_JOURNAL) return noJournal(name);
  const told = printable(tail).trim() || `its shell ended with code ${code}`;
  return new FleetboxError("failed", `Cannot read the journal of "${name}": ${told}`, {
    hint: `See what it does: fleetbox console ${name}`,
  });
}

function noJournal(name: string): FleetboxError {
  return new FleetboxError("unavailable", `The guest of "${name}" has no journal: it has no journalctl`, {
    hint: `Its console is there: fleetbox logs ${name}`,
  });
}

function check({ lines, after }: JournalWish): void {
  if (after !== undefined && !isCursor(after)) {
    throw new FleetboxError("misuse", "Bad value for after: expected a journal's cursor");
  }
  if (lines !== undefined && !(Number.isInteger(lines) && lines >= 0 && lines <= MAX_LINES)) {
    throw new FleetboxError(
      "misuse",
      `Bad value for lines: found ${lines}, expected a whole number, 0 to ${MAX_LINES}`,
    );
  }
}
