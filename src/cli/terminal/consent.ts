/**
 * Consent to deletion: asked from the user where possible, else given by `--force` (of `restore`: by `--yes`).
 *
 * A script consents by naming members. Where the command chooses (`--all`, or `prune`), it needs `--force`: a script
 * that runs it by mistake must not lose everything.
 */

import { FleetboxError } from "../../core/errors.ts";

/** Whether the user can be asked: both ends are a terminal, and the output is not for a program. */
export function canAsk({ json }: { json?: boolean }): boolean {
  return !json && Deno.stdin.isTerminal() && Deno.stdout.isTerminal();
}

/** @param refusal what the error says @throws {FleetboxError} `failed`: the answer was not yes. */
export function ask(question: string, refusal = "Nothing was removed"): void {
  const answer = prompt(`${question} [y/N]`);
  if (!/^\s*y(es)?\s*$/i.test(answer ?? "")) throw new FleetboxError("failed", refusal);
}

/** @param what the things to delete, such as "every member" @param command the command line without `--force` */
export function forceMissing(what: string, command: string): FleetboxError {
  return new FleetboxError("misuse", `Cannot ask before removing ${what}: expected a terminal, or --force`, {
    hint: `fleetbox ${command} --force`,
  });
}
