/**
 * Whether a command that deletes may: asked of the user where that is possible, else told by `--force`.
 *
 * Members that are named are consent enough for a script. What a command chooses itself (`--all`, or what `prune` finds)
 * is not: a script that runs one of these by mistake must not lose everything in silence.
 */

import { FleetboxError } from "../../core/errors.ts";

/** Whether there is somebody to ask: both ends are a terminal, and the output is not for a program. */
export function canAsk({ json }: { json?: boolean }): boolean {
  return !json && Deno.stdin.isTerminal() && Deno.stdout.isTerminal();
}

/** @throws {FleetboxError} `failed`: the answer was not yes. */
export function ask(question: string): void {
  const answer = prompt(`${question} [y/N]`);
  if (!/^\s*y(es)?\s*$/i.test(answer ?? "")) throw new FleetboxError("failed", "Nothing was removed");
}

/** @param what what would be deleted, such as "every member" @param command the command line without `--force` */
export function forceMissing(what: string, command: string): FleetboxError {
  return new FleetboxError("misuse", `Cannot ask before removing ${what}: expected a terminal, or --force`, {
    hint: `fleetbox ${command} --force`,
  });
}
