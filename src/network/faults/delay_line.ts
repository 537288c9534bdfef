/**
 * What waits until its time: a heap by time, and one timer for all of it.
 *
 * Entries with the same time leave in the order in which they came. A timer of the runtime is up to 2.2 ms late, and counts
 * whole milliseconds. So it is set for a millisecond earlier, and what is due within a millisecond leaves with it: the error
 * is less than half as large, to both sides. Whoever has work at hand anyway calls {@link DelayLine.run}, which makes the delays more precise under load.
 */

/** What waits. */
export interface Waiting {
  /** When it leaves, on the clock of `performance.now`. */
  readonly timeMs: number;
}

/** What leaves this much early is on time. */
const EARLY_MS = 1;
/** The longest that a timer of the runtime can be. */
const LONGEST_MS = 2 ** 31 - 1;

interface Entry<T> {
  readonly timeMs: number;
  readonly sequence: number;
  readonly what: T;
}

export class DelayLine<T extends Waiting> {
  readonly #leave: (what: T) => void;
  readonly #afterwards: () => void;
  #heap: Entry<T>[] = [];
  #sequence = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerMs = Infinity;
  #isPaused = false;

  /**
   * @param leave gets each entry at its time
   * @param afterwards is called after some have left by the timer
   */
  constructor(leave: (what: T) => void, afterwards: () => void = () => {}) {
    this.#leave = leave;
    this.#afterwards = afterwards;
  }

  get size(): number {
    return this.#heap.length;
  }

  /** When the next one leaves; infinite when none waits. */
  get nextMs(): number {
    return this.#heap.length > 0 ? this.#heap[0].timeMs : Infinity;
  }

  /** Adds one. {@link arm} follows, after the last of some. */
  add(what: T): void {
    const entry = { timeMs: what.timeMs, sequence: this.#sequence++, what };
    const heap = this.#heap;
    let at = heap.length;
    heap.push(entry);
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!isBefore(entry, heap[above])) break;
      heap[at] = heap[above];
      at = above;
    }
    heap[at] = entry;
  }

  /** Sets the timer for what is first now. */
  arm(nowMs: number): void {
    const next = this.nextMs;
    if (next === this.#timerMs || this.#isPaused) return;
    if (next > this.#timerMs && this.#timer !== undefined) return; // it is early, and sets itself again
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#timerMs = next;
    if (next === Infinity) return;
    const delayMs = Math.min(LONGEST_MS, Math.max(0, Math.floor(next - nowMs - EARLY_MS)));
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#timerMs = Infinity;
      this.run(performance.now());
      this.#afterwards();
      this.arm(performance.now());
    }, delayMs);
  }

  /** Lets everything leave that is due. */
  run(nowMs: number): void {
    if (this.#isPaused) return;
    const until = nowMs + EARLY_MS;
    while (this.#heap.length > 0 && this.#heap[0].timeMs <= until) this.#leave(this.#takeFirst());
  }

  /** Nothing leaves, and no timer runs, until {@link resume}. */
  pause(): void {
    this.#isPaused = true;
    this.#stop();
  }

  resume(nowMs: number): void {
    this.#isPaused = false;
    this.run(nowMs);
    this.#afterwards();
    this.arm(nowMs);
  }

  /** Takes out what is not to leave any more; it goes to `drop`. */
  remove(isGone: (what: T) => boolean, drop: (what: T) => void): void {
    const gone = this.#heap.filter(({ what }) => isGone(what));
    if (gone.length > 0) {
      this.#heap = this.#heap.filter(({ what }) => !isGone(what)).sort((a, b) => isBefore(a, b) ? -1 : 1); // sorted: a heap
      for (const { what } of gone) drop(what);
    }
    if (this.#heap.length === 0) this.#stop();
  }

  #stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#timerMs = Infinity;
  }

  #takeFirst(): T {
    const heap = this.#heap;
    const first = heap[0].what;
    const last = heap.pop()!;
    const count = heap.length;
    if (count === 0) return first;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= count) break;
      if (below + 1 < count && isBefore(heap[below + 1], heap[below])) below++;
      if (!isBefore(heap[below], last)) break;
      heap[at] = heap[below];
      at = below;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore<T>(a: Entry<T>, b: Entry<T>): boolean {
  return a.timeMs < b.timeMs || (a.timeMs === b.timeMs && a.sequence < b.sequence);
}
