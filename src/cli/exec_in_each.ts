/**
 * What `fleetbox exec a,b,c` does: one program in several members at once. Each line of what it says has its member's name in front.
 * All members are found before it begins in any, so that it does not run in some of them because another one is down.
 */

import { FleetboxError } from "../core/errors.ts";
import { LineSplitter } from "../core/lines.ts";
import { printable } from "../core/printable.ts";
import { parseNames } from "./arguments/name_arguments.ts";
import { openStore } from "./arguments/open_store.ts";
import type { ExecWishes } from "./exec.ts";
import { checkLine, runInGuest } from "./ssh/run_in_guest.ts";
import { INTERRUPTED } from "./ssh/ssh_client.ts";
import { reach } from "./ssh/ssh_endpoint.ts";
import { say, warn } from "./terminal/output.ts";

/** A longer line is told in pieces, in characters. */
const MAX_LINE = 65_536;

/**
 * @param word the members, as `a,b,c`
 * @returns 0, or the first code of a member that is not, in their order
 * @throws {FleetboxError} `misuse`; as {@link reach}, and then nothing has run
 */
export async function execInEach(
  word: string,
  command: readonly string[],
  { tty, interactive, lineFor }: ExecWishes & Required<Pick<ExecWishes, "lineFor">>,
): Promise<number> {
  const names = parseNames([word]);
  if (tty || interactive) {
    const option = tty ? "-t gives a terminal" : "-i gives standard input";
    throw new FleetboxError("misuse", `${option} to the program of one member, found ${names.length}`, {
      hint: "Leave it out, or name one member.",
    });
  }
  for (const name of names) lineFor(name, "", command); // refuses bad values before anything is done
  const store = openStore();
  const members = await Promise.all(names.map((name) => reach(store, name)));
  const lines = members.map((member, index) => lineFor(names[index], member.ssh.user, command));
  members.forEach((member, index) => checkLine(member, lines[index]));
  const width = Math.max(...names.map((name) => name.length));
  const codes = await Promise.all(members.map(async (member, index) => {
    const name = names[index];
    const before = `${name.padEnd(width)} | `;
    const stdout = new NamedLines((line) => say(before + line), Deno.stdout.isTerminal());
    const stderr = new NamedLines((line) => warn(before + line), Deno.stderr.isTerminal());
    const output = { stdout: stdout.push, stderr: stderr.push };
    const code = await runInGuest(store, member, { tty: false, command: lines[index] }, { output });
    stdout.end();
    stderr.end();
    if (code !== 0 && code !== INTERRUPTED) warn(`${before}exit code ${code}`);
    return code;
  }));
  return codes.find((code) => code !== 0) ?? 0;
}

/** Tells what comes in pieces line by line. */
class NamedLines {
  readonly #lines = new LineSplitter({ max: Infinity }); // what has begun is told before it is long

  /** @param isTerminal whether escape sequences and control characters are left out: they would be of a line without our words */
  constructor(private readonly tell: (line: string) => void, private readonly isTerminal: boolean) {}

  readonly push = (piece: string): void => {
    for (const line of this.#lines.push(piece)) this.#tell(line);
    if (this.#lines.begun().length >= MAX_LINE) this.end();
  };

  /** The last line may have no newline. */
  end(): void {
    const rest = this.#lines.rest();
    if (rest !== "") this.#tell(rest);
  }

  #tell(line: string): void {
    if (!this.isTerminal) return this.tell(line);
    for (const one of printable(line).replace(/\n+$/, "").split("\n")) this.tell(one);
  }
}
