/** Random numbers that depend on the one before, as in tc-netem (sch_netem.c, `get_crandom`). Pure but for its last number. */

import type { Random } from "../../core/random.ts";

/**
 * Numbers in [0, 1). Each is the mean of a fresh number and the one before, weighted by the correlation. As in netem, such
 * means are closer to 0.5 than fresh numbers: events with a small probability become rarer.
 */
export class Correlated {
  #last: number;

  constructor(private readonly random: Random, private readonly correlation = 0) {
    this.#last = correlation > 0 ? random.next() : 0;
  }

  next(): number {
    const fresh = this.random.next();
    if (this.correlation === 0) return fresh;
    return this.#last = fresh * (1 - this.correlation) + this.#last * this.correlation;
  }
}
