/**
 * An error as text, for `start.ts`, the one place that prints errors, and its exit code.
 *
 *     fleetbox: Cannot boot "a": its image is missing
 *       because: No such file or directory (os error 2)
 *       try: fleetbox doctor
 *
 * With `--json` it is one line instead: `{"event":"error", code, message, causes, hint?}`, on standard error as well.
 */

import { isMirrored } from "../core/environment.ts";
import { codeOf, EXIT_CODES, hintLine, hintOf, messageOf, newCauses, toWireError } from "../core/errors.ts";
import { atPlace } from "./places/current.ts";
import { wrapLine } from "./terminal/wrap.ts";

/**
 * The error for people. Several errors (an `AggregateError`) are printed one below the other.
 * @param columns the width of its lines @default any: in a pipe or a log each sentence is one line
 */
export function errorText(thrown: unknown, columns = Infinity): string {
  if (thrown instanceof AggregateError) return thrown.errors.map((one) => errorText(one, columns)).join("\n");
  const message = messageOf(thrown);
  const lines = [`fleetbox: ${indent(message)}`];
  for (const cause of newCauses(thrown)) lines.push(`  because: ${indent(cause)}`);
  const hint = hintOf(thrown);
  if (hint) lines.push(`  ${indent(hintLine(atPlace(hint)))}`);
  return lines.flatMap((line) => line.split("\n")).flatMap((line) => {
    const hang = Math.max(4, line.length - line.trimStart().length + 2);
    return wrapLine(line, columns, " ".repeat(hang));
  }).join("\n");
}

/** The error for programs: one line for each error. */
export function errorJson(thrown: unknown): string {
  if (thrown instanceof AggregateError) return thrown.errors.map(errorJson).join("\n");
  const { hint, ...error } = toWireError(thrown);
  return JSON.stringify({ event: "error", ...error, ...(hint === undefined ? {} : { hint: atPlace(hint) }) });
}

/** The exit code. Of several errors, the first with another code than `failed` decides. */
export function exitCodeOf(thrown: unknown): number {
  if (!(thrown instanceof AggregateError)) return EXIT_CODES[codeOf(thrown)];
  const codes = thrown.errors.map(exitCodeOf);
  return codes.find((code) => code !== EXIT_CODES.failed) ?? EXIT_CODES.failed;
}

/** One error, or all of them together; nothing when there are none. */
export function throwAll(errors: unknown[]): void {
  if (errors.length === 1) throw errors[0];
  if (errors.length > 1) throw new AggregateError(errors);
}

/** Whether errors are printed as JSON. Words after `--`, or in a guest's command, do not count. */
export function wantsJson(args: readonly string[]): boolean {
  const end = args.indexOf("--");
  return !["ssh", "shell", "exec"].includes(args[0]) && (end < 0 ? args : args.slice(0, end)).includes("--json");
}

function indent(text: string): string {
  return text.trimEnd().replaceAll("\n", "\n    ");
}

/** Whether the stack of an error is wanted as well. */
export function wantsStack(): boolean {
  return isMirrored("stack");
}
