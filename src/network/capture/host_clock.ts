/**
 * The host's clock, for the times of frames: as it is set now, and as finely as the one that the switch reads.
 *
 * The switch reads `performance.now`, which nobody can set; the difference to the time of day is looked at once a second.
 */

/** How often the two are compared. */
const COMPARE_MS = 1_000;
/** By how much the clock must have been set to count: `Date.now` has whole milliseconds. */
const SET_MS = 5;

export class HostClock {
  #offsetMs = performance.timeOrigin;
  #comparedMs = -Infinity;

  /** A time of `performance.now`, in microseconds since 1970. */
  timeUs(ms = performance.now()): number {
    if (ms - this.#comparedMs >= COMPARE_MS) {
      this.#comparedMs = ms;
      const offsetMs = Date.now() - performance.now();
      if (Math.abs(offsetMs - this.#offsetMs) > SET_MS) this.#offsetMs = offsetMs;
    }
    return Math.round((this.#offsetMs + ms) * 1000);
  }
}
