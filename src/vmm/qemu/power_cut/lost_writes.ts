/**
 * Which of a disk's writes survive a power cut. Pure.
 *
 * What comes before the last completed flush survives, always. A guest may rely on that, and on nothing else: a disk writes the
 * rest in any order, or not at all.
 */

import { randomStream } from "../../../core/random.ts";
import type { Loss, LostWrites } from "../../../core/power_cut.ts";
import type { LogEntry } from "./write_log.ts";

/** The fate of each unflushed request. */
export interface Fates {
  /** How many sectors of each survive, in their order. */
  survive: number[];
  lost: LostWrites;
}

/** @param unflushed the requests after the last flush, which is not among them */
export function fatesOf(unflushed: readonly LogEntry[], { mode, seed }: Loss): Fates {
  const stream = randomStream("power cut", seed);
  const survive = unflushed.map(({ sectors, isDurable }) => {
    const isLucky = stream.next() < 0.5; // one number for each, so that a durable one shifts nobody's
    return isDurable || (mode !== "all" && isLucky) ? sectors : 0;
  });
  const lost: LostWrites = {
    unflushed: unflushed.filter(({ isDurable }) => !isDurable).length,
    lost: survive.filter((sectors) => sectors === 0).length,
  };
  if (mode !== "torn") return { survive, lost };
  const last = unflushed.findLastIndex(({ kind, isDurable }, index) =>
    kind === "write" && !isDurable && survive[index] > 0
  );
  if (last < 0) return { survive, lost };
  const of = survive[last];
  const sectors = 1 + stream.below(of);
  survive[last] = sectors;
  return { survive, lost: sectors < of ? { ...lost, torn: { sectors, of } } : lost };
}
