/** Checks of what a fault or a plan is made of, when it comes from outside: each tells what was found and what is expected. */

import { FleetboxError } from "../errors.ts";
import { isName } from "../names.ts";

/** The longest that a fault or a plan may last: longer ones are typing mistakes. */
export const MAX_MS = 24 * 3_600_000;

export function names(key: string, value: unknown): void {
  if (!Array.isArray(value) || value.length === 0 || !value.every((one) => isName(one))) {
    bad(key, value, "members' names, at least one");
  }
}

/** Whose fault it is. */
export function member(spec: Record<string, unknown>): void {
  if (!isName(spec.member)) bad("member", spec.member, "a member's name");
}

export function flag(key: string, value: unknown): void {
  if (value !== undefined && typeof value !== "boolean") bad(key, value, "true or false");
}

export function oneOf(key: string, value: unknown, of: readonly string[]): void {
  if (!of.includes(value as string)) bad(key, value, `one of ${of.join(", ")}`);
}

export function numberIn(key: string, value: unknown, min: number, max: number): void {
  if (typeof value !== "number" || !(value >= min && value <= max)) bad(key, value, `a number from ${min} to ${max}`);
}

export function whole(key: string, value: unknown, min: number, max: number): void {
  numberIn(key, value, min, max);
  if (!Number.isInteger(value)) bad(key, value, "a whole number");
}

export function record(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) bad(what, value, "a JSON object");
  return value as Record<string, unknown>;
}

/** @throws {FleetboxError} `misuse`: there is a key that is none of these */
export function only(value: Record<string, unknown>, keys: readonly string[], of = "fault"): void {
  const unknown = Object.keys(value).find((key) => !keys.includes(key));
  if (unknown !== undefined) bad(of, unknown, `only ${keys.join(", ")}`);
}

/** @throws {FleetboxError} `misuse`, with what was found and what is expected */
export function bad(key: string, found: unknown, expected: string): never {
  const shown = JSON.stringify(found) ?? "nothing";
  throw new FleetboxError(
    "misuse",
    `Bad value for ${key}: found ${shown.length > 80 ? shown.slice(0, 77) + "…" : shown}, expected ${expected}`,
  );
}
