/** Member names on a command line: `a,b,c`, `a b c`, `a, b, c`, `node -n 3`. */

import { FleetboxError } from "../../core/errors.ts";
import { checkName, checkNames, MAX_MEMBERS } from "../../core/names.ts";

/**
 * The names, checked, distinct, in order.
 * @throws {FleetboxError} `misuse`: a bad name, one given twice, none at all.
 */
export function parseNames(words: readonly string[]): string[] {
  return checkNames(words.flatMap((word, index) => {
    // `a, b`: a comma before a space separates names; no empty name follows it.
    const last = index === words.length - 1;
    return (!last && word.length > 1 && word.endsWith(",") ? word.slice(0, -1) : word).split(",");
  }));
}

/** The error of a command that needs names or `--all`, and got neither. */
export function whichMembers(command: string): FleetboxError {
  return new FleetboxError("misuse", `Which members? For example: fleetbox ${command} a,b`, {
    hint: `Every one: fleetbox ${command} --all`,
  });
}

/** The error of a command that needs names or `--all`, and got both. */
export function namesAndAll(command: string, words: readonly string[]): FleetboxError {
  return new FleetboxError("misuse", "Expected members' names or --all, found both", {
    hint: `fleetbox ${command} ${words.join(" ")}`,
  });
}

/** `node` and 3: `node-1`, `node-2`, `node-3`. @throws {FleetboxError} `misuse` */
export function numberedNames(words: readonly string[], count: string): string[] {
  const names = parseNames(words);
  const number = Number(count);
  if (!/^\d+$/.test(count) || number < 1 || number > MAX_MEMBERS) {
    throw new FleetboxError(
      "misuse",
      `Bad value for -n: found ${JSON.stringify(count)}, expected a whole number from 1 to ${MAX_MEMBERS}`,
    );
  }
  if (names.length > 1) {
    throw new FleetboxError(
      "misuse",
      `-n numbers the members of one name, found ${names.length}: ${names.join(", ")}`,
      {
        hint: `fleetbox up ${names[0]} -n ${number}`,
      },
    );
  }
  return Array.from({ length: number }, (_, index) => checkName(`${names[0]}-${index + 1}`));
}
