/**
 * What `fleetbox exec` does. Scripts run it more than anything else, so without options it does without the argument
 * parser, which takes longer to load than all else here: `start.ts` calls it directly.
 */

import { checkName } from "../core/names.ts";
import { FleetboxError } from "../core/errors.ts";
import { lazyModule } from "../core/lazy_modules.ts";
import { shellCommand, shellQuote } from "../core/quoting.ts";
import { openStore } from "./arguments/open_store.ts";
import { checkLine, runInGuest } from "./ssh/run_in_guest.ts";
import { reach } from "./ssh/ssh_endpoint.ts";

/** Whether the words behind `exec` are a name and a program: anything else is the parser's. */
export function isPlain(words: readonly string[]): boolean {
  const [name, first, second] = words;
  return name !== undefined && !name.startsWith("-") && first !== undefined &&
    (first === "--" ? second !== undefined : !first.startsWith("-"));
}

/** How a program is run, when not as it stands. */
export interface ExecWishes {
  /** Whether it has a terminal. */
  tty?: boolean;
  /** Whether standard input was asked for; it always goes to a single member. */
  interactive?: boolean;
  /** The line for the guest's shell. @param login the user of the SSH session */
  lineFor?(name: string, login: string, command: readonly string[]): string;
}

/** Runs a program on a member, or on several: `a,b,c`. @param words the program and its arguments, after `--` or without it */
export async function exec(word: string, words: readonly string[], wishes: ExecWishes = {}): Promise<void> {
  const { tty = false, lineFor = (_name, _login, command) => shellCommand(command) } = wishes;
  checkPlace("exec", word, words);
  const command = words[0] === "--" ? words.slice(1) : [...words];
  if (command.length === 0) {
    throw new FleetboxError("misuse", "No program given", { hint: `fleetbox exec ${word} -- uname -r` });
  }
  if (word.includes(",")) {
    const { execInEach } = await lazyModule<typeof import("./exec_in_each.ts")>("src/cli/exec_in_each.ts");
    Deno.exitCode = await execInEach(word, command, { ...wishes, lineFor });
    return;
  }
  const name = checkName(word);
  if (tty && !Deno.stdin.isTerminal()) {
    throw new FleetboxError("misuse", "Standard input is not a terminal, which --tty needs", {
      hint: `Leave it out; or force a terminal: fleetbox ssh -tt ${name} -- COMMAND`,
    });
  }
  lineFor(name, "", command); // refuses bad values before anything is done
  const store = openStore();
  const member = await reach(store, name);
  const line = lineFor(name, member.ssh.user, command);
  checkLine(member, line);
  Deno.exitCode = await runInGuest(store, member, { tty, command: line });
}

/** @throws {FleetboxError} `misuse`: options behind the name, where the guest's program begins */
export function checkPlace(command: "exec" | "ssh", name: string, words: readonly string[]): void {
  const [first = "--"] = words;
  if (first === "--" || !first.startsWith("-")) return;
  const end = words.indexOf("--");
  const [options, rest] = end < 0 ? [words, []] : [words.slice(0, end), words.slice(end)];
  const line = [...options, name, ...rest].map(shellQuote).join(" ");
  throw new FleetboxError("misuse", `${first} stands behind the name, where the guest's program is expected`, {
    hint: `Options come first: fleetbox ${command} ${line}`,
  });
}
