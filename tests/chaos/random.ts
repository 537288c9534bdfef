/** Numbers from a seed, so that a campaign can be repeated: mulberry32 (Tommy Ettinger, public domain). */

export class Random {
  #state: number;

  constructor(readonly seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 up to, not including, 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from `low` to `high`, both included. */
  whole(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.next() * from.length)];
  }

  /** One or more of these, in a random order. */
  some<T>(from: readonly T[]): T[] {
    const rest = [...from], taken: T[] = [];
    const count = this.whole(1, from.length);
    while (taken.length < count) taken.push(...rest.splice(Math.floor(this.next() * rest.length), 1));
    return taken;
  }
}
