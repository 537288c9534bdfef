/** One look at all jobs for all that wait in a program: an engine is asked once at a time, however many wait. */

import type { Jobs } from "./jobs.ts";

export class SharedLook {
  #last: { beganMs: number; jobs: Promise<Jobs>; isOver: boolean } | undefined;

  /** @param now @default `performance.now()` */
  constructor(
    private readonly look: () => Promise<Jobs>,
    private readonly now: () => number = performance.now.bind(performance),
  ) {}

  /** The jobs, from a look that began then or later. */
  async since(notBeforeMs: number): Promise<Jobs> {
    for (;;) {
      const last = this.#last;
      if (last && last.beganMs >= notBeforeMs) return await last.jobs;
      if (!last || last.isOver) return await this.#begin();
      await last.jobs.catch(() => {}); // one of those that wait here begins the next one
    }
  }

  #begin(): Promise<Jobs> {
    const one = { beganMs: this.now(), jobs: this.look(), isOver: false };
    const end = () => void (one.isOver = true);
    one.jobs.then(end, end);
    this.#last = one;
    return one.jobs;
  }
}
