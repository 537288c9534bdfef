/** A power cut that loses what a guest had not flushed: what is asked for, and what it did. */

import { FleetboxError } from "./errors.ts";

/**
 * What becomes of the writes that were not flushed.
 *
 * `all`: everything after the last completed flush is lost. `random`: about half of it survives, by the seed. `torn`: the same, and the
 * last write that survives may end in its middle, at a sector of 512 bytes.
 */
export type LossMode = typeof LOSS_MODES[number];

export const LOSS_MODES = ["all", "random", "torn"] as const;

/** What a power cut is to do. */
export interface Loss {
  mode: LossMode;
  seed: number;
}

/** What a power cut has done to a disk. */
export interface LostWrites {
  /** The writes after the last completed flush; discards are among them. */
  unflushed: number;
  /** How many of them were lost. One that was torn is not among them. */
  lost: number;
  /** The write that ends in its middle: how many of its sectors survive. Absent: there is none. */
  torn?: { sectors: number; of: number };
}

/** Checks a request from outside. @throws {FleetboxError} `misuse` */
export function checkLoss(mode: unknown, seed: unknown): Loss {
  if (!LOSS_MODES.includes(mode as LossMode)) bad("the writes to lose", mode, LOSS_MODES.join(", "));
  if (!Number.isSafeInteger(seed) || (seed as number) < 0) bad("the seed", seed, "a whole number from 0");
  return { mode: mode as LossMode, seed: seed as number };
}

function bad(what: string, found: unknown, expected: string): never {
  throw new FleetboxError("misuse", `Bad value for ${what}: found ${JSON.stringify(found)}, expected ${expected}`);
}
