/** Changes that are counted, so that one that comes while nobody waits is not missed. */

import { pause } from "../core/deadline.ts";

export class Changes {
  count = 0;
  readonly #waiting = new Set<AbortController>();

  /** @param signal its firing is a change, too */
  constructor(signal: AbortSignal) {
    signal.addEventListener("abort", () => this.note());
  }

  /** Something has changed. */
  note(): void {
    this.count++;
    for (const one of this.#waiting) one.abort();
    this.#waiting.clear();
  }

  /** Returns when there was a change since `count` was so many, after the limit, or when the signal fires. */
  async after(count: number, signal: AbortSignal, limitMs = 2 ** 31 - 1): Promise<void> {
    if (this.count !== count || signal.aborted) return;
    const told = new AbortController();
    this.#waiting.add(told);
    await pause(limitMs, told.signal); // an end of the signal is noted as a change
    this.#waiting.delete(told);
  }
}

/** Closes a watcher, also one that has closed by itself. */
export function closeWatcher(watcher: Deno.FsWatcher | undefined): void {
  try {
    watcher?.close();
  } catch { /* it is already closed */ }
}
