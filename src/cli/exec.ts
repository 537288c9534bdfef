/**
 * What `fleetbox exec` does. Scripts run it more than anything else, so it does without the argument parser, which takes
 * longer to load than all else here: `start.ts` calls it directly.
 */

import { checkName } from "../core/names.ts";
import { FleetboxError } from "../core/errors.ts";
import { shellCommand } from "../core/quoting.ts";
import { sshArguments } from "./arguments/ssh_arguments.ts";
import { openStore } from "./arguments/store_access.ts";
import { runClient } from "./ssh_client.ts";
import { reach } from "./ssh_endpoint.ts";

/** Whether the words behind `exec` are a name and a program: anything else is the parser's. */
export function isPlain(words: readonly string[]): boolean {
  const [name, first, second] = words;
  return name !== undefined && !name.startsWith("-") && first !== undefined &&
    (first === "--" ? second !== undefined : !first.startsWith("-"));
}

/** Runs a program on a member. @param words the program and its arguments, after `--` or without it */
export async function exec(word: string, words: readonly string[]): Promise<void> {
  const name = checkName(word);
  const command = words[0] === "--" ? words.slice(1) : [...words];
  if (command.length === 0) {
    throw new FleetboxError("misuse", "No program given", { hint: `fleetbox exec ${name} -- uname -r` });
  }
  const store = openStore();
  const endpoint = await reach(store, name);
  const args = sshArguments(store, endpoint, { tty: false, command: shellCommand(command) });
  Deno.exitCode = await runClient("ssh", args, store, [name]);
}
