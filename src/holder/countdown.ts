/** A time limit that can be paused: what a download takes does not count for a boot. */
export class Countdown {
  #leftMs: number;
  #since = performance.now();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(limitMs: number, private readonly onEnd: () => void) {
    this.#leftMs = limitMs;
    this.#timer = setTimeout(onEnd, limitMs);
  }

  /** Nothing counts from here on. Twice is fine. */
  pause(): void {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#leftMs = Math.max(0, this.#leftMs - (performance.now() - this.#since));
  }

  /** It counts again. Twice is fine. */
  resume(): void {
    if (this.#timer !== undefined) return;
    this.#since = performance.now();
    this.#timer = setTimeout(this.onEnd, this.#leftMs);
  }

  /** For good. */
  end(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
