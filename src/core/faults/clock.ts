/** A clock that is wrong: as it is asked for, its check, and its words. */

import { bad, member, numberIn, only } from "./values.ts";

/** A member's clock is moved once, goes at another rate, or is moved to and fro. Exactly one of the three. */
export interface ClockFault {
  kind: "clock";
  member: string;
  /** How far it is moved, in milliseconds; less than 0: back. */
  bumpMs?: number;
  /** So many times as fast; the kernel allows 0.9 to 1.1. */
  rate?: number;
  /** How far it is moved, and moved back, again and again. */
  strobeMs?: number;
  /** How long it stays there each time. @default 1000 */
  periodMs?: number;
}

/** When a strobe moves the clock, if it does not say. */
export const STROBE_PERIOD_MS = 1_000;

/** A hundred years: a clock that is off by more is a typing mistake. */
const MAX_MOVE_MS = 100 * 365 * 24 * 3_600_000;
const MIN_PERIOD_MS = 100, MAX_PERIOD_MS = 3_600_000;

/** @throws {FleetboxError} `misuse` */
export function checkClock(spec: Record<string, unknown>): void {
  only(spec, ["kind", "member", "bumpMs", "rate", "strobeMs", "periodMs"]);
  member(spec);
  const { bumpMs, rate, strobeMs, periodMs } = spec;
  const given = [bumpMs, rate, strobeMs].filter((one) => one !== undefined);
  if (given.length !== 1) bad("a clock", given, "exactly one of bumpMs, rate and strobeMs");
  if (bumpMs !== undefined) moved("bumpMs", bumpMs);
  if (strobeMs !== undefined) moved("strobeMs", strobeMs);
  if (rate !== undefined) {
    numberIn("rate", rate, 0.9, 1.1);
    if (rate === 1) bad("rate", rate, "another number than 1, which changes nothing");
  }
  if (periodMs === undefined) return;
  if (strobeMs === undefined) bad("periodMs", periodMs, "strobeMs beside it");
  numberIn("periodMs", periodMs, MIN_PERIOD_MS, MAX_PERIOD_MS);
}

function moved(key: string, value: unknown): void {
  numberIn(key, value, -MAX_MOVE_MS, MAX_MOVE_MS);
  if (Math.abs(value as number) < 1) bad(key, value, "at least 1 millisecond");
}

/** `clock: a, +30s`, `clock: a, 1.05 times as fast`, `clock: a, +200ms and back, every 1s` */
export function clockText(
  { member, bumpMs, rate, strobeMs, periodMs }: ClockFault,
  time: (ms: number) => string,
): string {
  const signed = (ms: number) => `${ms < 0 ? "-" : "+"}${time(Math.abs(ms))}`;
  if (bumpMs !== undefined) return `clock: ${member}, ${signed(bumpMs)}`;
  if (rate !== undefined) return `clock: ${member}, ${rate} times as fast`;
  return `clock: ${member}, ${signed(strobeMs!)} and back, every ${time(periodMs ?? STROBE_PERIOD_MS)}`;
}
