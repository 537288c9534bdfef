/** What faults are made of, as people type it: sets of members, probabilities, rates, times. */

import { FleetboxError } from "../../core/errors.ts";
import { checkNames } from "../../core/names.ts";
import { parseDurationMs } from "./duration.ts";

/** `a,b` as the members of a set. @throws {FleetboxError} `misuse` */
export function parseSet(word: string): string[] {
  return checkNames(word.split(",").filter((part) => part !== ""));
}

/** `1%`, `0.5%` or `0.01`, as a probability. @throws {FleetboxError} `misuse` */
export function parseProbability(text: string, what: string): number {
  const match = /^(\d+(?:\.\d+)?|\.\d+)\s*(%?)$/.exec(text.trim());
  const value = match ? Number(match[1]) / (match[2] === "%" ? 100 : 1) : NaN;
  if (value >= 0 && value <= 1) return value;
  const percent = match && match[2] === "" && Number(match[1]) <= 100 ? `Did you mean ${match[1]}%?` : undefined;
  throw bad(what, text, "a part such as 1%, at most 100%, or 0.01", percent);
}

/** Some probabilities, `1%,10%,70%,0.1%`, by these names. @throws {FleetboxError} `misuse` */
export function parseProbabilities<K extends string>(
  text: string,
  names: readonly K[],
  what: string,
): Record<K, number> {
  const parts = text.split(",");
  if (parts.length !== names.length) throw bad(what, text, `${names.length} parts: ${names.join(",")}`);
  return Object.fromEntries(names.map((name, index) => [name, parseProbability(parts[index], what)])) as Record<
    K,
    number
  >;
}

const RATES: Record<string, number> = { bit: 1, kbit: 1e3, mbit: 1e6, gbit: 1e9 };

/** `1mbit`, `512kbit`, `9600bit`, in bits a second. @throws {FleetboxError} `misuse` */
export function parseRate(text: string, what: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(bit|kbit|mbit|gbit)$/i.exec(text.trim());
  const rate = match ? Number(match[1]) * RATES[match[2].toLowerCase()] : NaN;
  if (rate >= 1) return rate;
  throw bad(what, text, "bits a second, such as 512kbit, 1mbit or 10gbit");
}

/** A delay, which may be 0: `50ms`. */
export function parseDelay(text: string, what: string): number {
  return parseDurationMs(text, what, { allowZero: true });
}

/** `+30s`, `-30s`, `200ms`, in milliseconds: how far a clock is moved. @throws {FleetboxError} `misuse` */
export function parseMove(text: string, what: string): number {
  const [, sign, duration] = /^([+-]?)\s*(.*)$/s.exec(text.trim())!;
  const days = /^(\d+(?:\.\d+)?)\s*d$/i.exec(duration);
  const ms = days ? Number(days[1]) * 24 * 3_600_000 : parseDurationMs(duration, what);
  return sign === "-" ? -ms : ms;
}

/** `1.05`: so many times as fast. @throws {FleetboxError} `misuse` */
export function parseTimes(text: string, what: string): number {
  const value = /^\d*\.?\d+$/.test(text.trim()) ? Number(text) : NaN;
  if (value >= 0.9 && value <= 1.1) return value;
  throw bad(what, text, "a number from 0.9 to 1.1: no kernel lets its clock go at another rate");
}

/** @throws {FleetboxError} `misuse` */
export function parseWhole(text: string, what: string, max: number): number {
  const value = /^\d+$/.test(text.trim()) ? Number(text) : NaN;
  if (value <= max) return value;
  throw bad(what, text, `a whole number, at most ${max}`);
}

/** A seed. @throws {FleetboxError} `misuse` */
export function parseSeed(text: string): number {
  return parseWhole(text, "--seed", 2 ** 32 - 1);
}

function bad(what: string, text: string, expected: string, hint?: string): FleetboxError {
  return new FleetboxError("misuse", `Bad value for ${what}: found ${JSON.stringify(text)}, expected ${expected}`, {
    hint,
  });
}
