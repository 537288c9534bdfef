/**
 * What one shape does to the frames of one link: drops them, makes copies, flips a bit, says when they are delivered.
 *
 * The order of the decisions and their meaning are tc-netem's (sch_netem.c, `netem_enqueue`), but that a copy is not judged for loss
 * again. Every number comes from one stream, and how many are drawn depends on the frames alone: not on the clock, and not on how
 * many frames wait.
 */

import type { Random } from "../../core/random.ts";
import type { FaultCounts, Shape } from "./conditions.ts";
import { Correlated } from "./correlated.ts";
import { DEVIATION } from "./distributions.ts";
import { type Loss, lossOf } from "./loss.ts";

/** How many frames may wait, when a shape does not say. */
export const DEFAULT_LIMIT = 1000;
/** In {@link Shaper.flips}: the copy is as it came. */
export const INTACT = -1;

export class Shaper {
  /** After {@link judge}: when each copy is delivered. The clock's time itself: at once. */
  readonly times = [0, 0];
  /** After {@link judge}: the bit of each copy's payload that is flipped, or {@link INTACT}. */
  readonly flips = [INTACT, INTACT];
  /** Frames that wait because of this shape; whoever keeps them counts them. */
  waiting = 0;
  /** A list of this one alone. */
  readonly alone: readonly Shaper[] = [this];
  readonly #shape: Shape;
  readonly #random: Random;
  readonly #loss: Loss | undefined;
  readonly #delays: Correlated;
  readonly #duplicates: Correlated;
  readonly #corruptions: Correlated;
  readonly #reorders: Correlated;
  readonly #deviation: (quantile: number) => number;
  readonly #msPerByte: number;
  readonly #limit: number;
  /** Frames since the last one that overtook others. */
  #sinceReorder = 0;
  /** When the last frame that waits is delivered. */
  #lastMs = -Infinity;

  constructor(shape: Shape, random: Random, readonly counts: FaultCounts) {
    this.#shape = shape;
    this.#random = random;
    this.#loss = lossOf(shape, random);
    this.#delays = new Correlated(random, shape.correlation);
    this.#duplicates = new Correlated(random, shape.duplicateCorrelation);
    this.#corruptions = new Correlated(random, shape.corruptCorrelation);
    this.#reorders = new Correlated(random, shape.reorderCorrelation);
    this.#deviation = DEVIATION[shape.distribution ?? "uniform"];
    this.#msPerByte = shape.rateBitsPerSecond ? 8000 / shape.rateBitsPerSecond : 0;
    this.#limit = shape.limit ?? DEFAULT_LIMIT;
  }

  /**
   * Decides about a frame and counts what it does; returns the number of copies: 0, 1 or 2.
   * @param length bytes of the frame, for the rate
   * @param payloadBits bits that may be corrupted
   * @param mayDuplicate whether there is room for a copy
   */
  judge(nowMs: number, length: number, payloadBits: number, mayDuplicate = true): number {
    const { counts } = this;
    const { duplicate = 0 } = this.#shape;
    counts.frames++;
    const isTwice = duplicate > 0 && this.#duplicates.next() < duplicate && mayDuplicate;
    const isLost = this.#loss !== undefined && this.#loss();
    if (isTwice) counts.duplicated++;
    if (isLost) counts.lost++;
    let kept = 0;
    for (let copies = 1 + Number(isTwice) - Number(isLost); copies > 0; copies--) {
      const flip = this.#flip(payloadBits);
      const time = this.#time(nowMs, length);
      if (time > nowMs && this.waiting >= this.#limit) {
        counts.overLimit++;
        continue;
      }
      if (time > nowMs) {
        counts.delayed++;
        this.#lastMs = Math.max(this.#lastMs, time);
      }
      if (flip !== INTACT) counts.corrupted++;
      this.times[kept] = time;
      this.flips[kept++] = flip;
    }
    return kept;
  }

  #flip(payloadBits: number): number {
    const { corrupt = 0 } = this.#shape;
    if (corrupt === 0 || this.#corruptions.next() >= corrupt) return INTACT;
    const number = this.#random.next();
    return payloadBits > 0 ? Math.floor(number * payloadBits) : INTACT;
  }

  #time(nowMs: number, length: number): number {
    if (this.#overtakes()) {
      this.counts.reordered++;
      return nowMs;
    }
    let delayMs = this.#delay();
    let from = nowMs;
    if (this.#msPerByte > 0) {
      // The frame begins to leave when the last one has left: the wait for that is a part of its delay.
      if (this.#lastMs > nowMs) {
        delayMs -= this.#lastMs - nowMs;
        from = this.#lastMs;
      }
      delayMs = Math.max(0, delayMs) + length * this.#msPerByte;
    }
    return from + Math.max(0, delayMs);
  }

  #overtakes(): boolean {
    const { reorder = 0, gap = 1 } = this.#shape;
    if (reorder === 0) return false;
    if (this.#sinceReorder >= gap - 1 && this.#reorders.next() < reorder) {
      this.#sinceReorder = 0;
      return true;
    }
    this.#sinceReorder++;
    return false;
  }

  #delay(): number {
    const { delayMs = 0, jitterMs = 0 } = this.#shape;
    return jitterMs === 0 ? delayMs : delayMs + jitterMs * this.#deviation(this.#delays.next());
  }
}
