/** The shapes of one link, one after the other: a frame that one drops does not reach the next, and delays add up. */

import { INTACT, Shaper } from "./shaper.ts";

/** A frame, or one of its copies, behind all shapes. */
export interface Copy {
  /** When it is delivered; not later than now: at once. */
  timeMs: number;
  /** The bits of the payload that are flipped. */
  flips: readonly number[];
  /** The shapes because of which it waits. */
  waits: readonly Shaper[];
}

/** How many copies of one frame are made at most, when many faults duplicate. */
const MOST_COPIES = 16;
const NO_FLIPS: readonly number[] = [];
const NO_WAITS: readonly Shaper[] = [];

/**
 * What the shapes make of a frame.
 * @param length bytes of the frame
 * @param payloadBits bits that may be corrupted
 */
export function judgeFrame(shapers: readonly Shaper[], nowMs: number, length: number, payloadBits: number): Copy[] {
  let copies: Copy[] = [{ timeMs: nowMs, flips: NO_FLIPS, waits: NO_WAITS }];
  for (const shaper of shapers) {
    const next: Copy[] = [];
    let room = MOST_COPIES - copies.length;
    for (const before of copies) {
      const count = shaper.judge(before.timeMs, length, payloadBits, room > 0);
      if (count === 2) room--;
      for (let index = 0; index < count; index++) next.push(behind(before, shaper, index));
    }
    if (next.length === 0) return next;
    copies = next;
  }
  return copies;
}

/** A copy behind one more shape. */
function behind({ timeMs, flips, waits }: Copy, shaper: Shaper, index: number): Copy {
  const time = shaper.times[index];
  const flip = shaper.flips[index];
  return {
    timeMs: time,
    flips: flip === INTACT ? flips : [...flips, flip],
    waits: time <= timeMs ? waits : waits === NO_WAITS ? shaper.alone : [...waits, shaper],
  };
}
