/**
 * How many members of a group boot at the same time. The others wait for a place: fifty boots that share two processors all
 * take so long that none is ready within its limit.
 */

import { startLimit, unlessAborted } from "../core/deadline.ts";

/** Boots for each processor: a boot waits for its disk and for its network, too. */
const BOOTS_PER_CPU = 2;
const MIN_PLACES = 4;

/** How many members boot at once on a host with so many processors. */
export function placesOn(cpus: number): number {
  return Math.max(MIN_PLACES, BOOTS_PER_CPU * cpus);
}

/** A place that a boot has, until it gives it up. */
export interface Place {
  /** Calling it twice is fine. */
  giveUp(): void;
  /** The boot has come further: it may keep the place for as long again. */
  renew(): void;
}

export class Places {
  #free: number;
  readonly #waiting = new Set<() => void>();

  constructor(readonly count = placesOn(navigator.hardwareConcurrency)) {
    this.#free = count;
  }

  /**
   * A place, in the order in which they are asked for.
   * @param limitMs how long the boot may keep it without coming further: one that hangs goes on without
   * @param onWait called when there is none yet
   * @throws the signal's reason, if it fires while there is none
   */
  async take(limitMs: number, signal: AbortSignal, onWait: () => void): Promise<Place> {
    if (this.#free > 0) this.#free--;
    else {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.add(resolve);
      onWait();
      try {
        await unlessAborted(promise, signal);
      } catch (thrown) {
        if (!this.#waiting.delete(resolve)) this.#next(); // it got one in this very turn
        throw thrown;
      }
    }
    let isHeld = true;
    const giveUp = () => {
      endLimit();
      if (isHeld) this.#next();
      isHeld = false;
    };
    let endLimit = startLimit(limitMs, giveUp);
    const renew = () => {
      endLimit();
      if (isHeld) endLimit = startLimit(limitMs, giveUp);
    };
    return { giveUp, renew };
  }

  #next(): void {
    const [first] = this.#waiting;
    if (!first) return void this.#free++;
    this.#waiting.delete(first);
    first();
  }
}
