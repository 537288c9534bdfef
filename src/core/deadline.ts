/**
 * Time limits that count only the time in which this program ran.
 *
 * A laptop that sleeps, a CI host that is frozen, a SIGSTOP to everything: afterwards every plain timer is due at once,
 * although no program could run in that time, and machines that only need to be asked again would be given up. So a
 * limit is waited for in slices, and a slice that took far too long counts half. A busy host is late by less than that.
 * Setting the clock changes nothing: all of it is monotonic.
 */

const SLICE_MS = 1_000;
/** A timer that is later than this is late because the host stood still, not because it is busy. */
const JUMP_MS = 1_000;

interface LimitOptions {
  /**
   * Whether the program may end before it has passed. It costs a command less, too: the first of Deno's ordinary timers loads
   * modules for 7 ms, and a limit that has not passed a quarter of it needs none. @default false
   */
  unref?: boolean;
}

/** Calls `onEnd` when the limit has passed. Returns the function that cancels it. */
export function startLimit(limitMs: number, onEnd: () => void, options: LimitOptions = {}): () => void {
  const slices = new Slices(limitMs, onEnd, options);
  return () => slices.end();
}

/** Waits; returns early when the signal fires. */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const done = () => resolve();
  const timer = setTimeout(done, ms);
  signal?.addEventListener("abort", done);
  await promise;
  clearTimeout(timer);
  signal?.removeEventListener("abort", done);
}

/** A time limit as a signal, which fires when it has passed. Dispose of it when what it limits is over. */
export class Limit implements Disposable {
  readonly #over = new AbortController();
  #endLimit: () => void;

  constructor(private readonly limitMs: number) {
    this.#endLimit = startLimit(limitMs, () => this.#over.abort());
  }

  get signal(): AbortSignal {
    return this.#over.signal;
  }

  /** It begins anew, as what it limits shows a sign of life. One that has passed stays passed. */
  restart(): void {
    this.#endLimit();
    this.#endLimit = startLimit(this.limitMs, () => this.#over.abort());
  }

  [Symbol.dispose](): void {
    this.#endLimit();
  }
}

/** A time limit that can be paused, and can begin anew: a boot's limit does not count downloads, and is for each stage. */
export class Countdown {
  #leftMs: number;
  #slices: Slices | undefined;
  #isOver = false;

  constructor(private readonly limitMs: number, private readonly onEnd: () => void) {
    this.#leftMs = limitMs;
    this.#slices = new Slices(limitMs, this.#pass);
  }

  readonly #pass = (): void => {
    this.#isOver = true;
    this.onEnd();
  };

  /** Stops counting. Calling it twice is fine. */
  pause(): void {
    if (this.#slices === undefined) return;
    this.#leftMs = this.#slices.end();
    this.#slices = undefined;
  }

  /** Counts again. Calling it twice is fine. */
  resume(): void {
    if (this.#slices === undefined && !this.#isOver) this.#slices = new Slices(this.#leftMs, this.#pass);
  }

  /** All of it is left again, whether it counts or is paused. One that has passed stays passed. */
  renew(): void {
    const counts = this.#slices !== undefined;
    this.pause();
    this.#leftMs = this.limitMs;
    if (counts) this.resume();
  }

  /** Stops counting for good. */
  end(): void {
    this.#isOver = true;
    this.pause();
  }
}

class Slices {
  #leftMs: number;
  #sliceMs = 0;
  #since = 0;
  #cancel: (() => void) | undefined;

  constructor(
    private readonly limitMs: number,
    private readonly onEnd: () => void,
    private readonly options: LimitOptions = {},
  ) {
    this.#leftMs = limitMs;
    this.#next();
  }

  /** Ends it; returns the time that was left. */
  end(): number {
    if (this.#cancel !== undefined) this.#count();
    this.#cancel?.();
    this.#cancel = undefined;
    return Math.max(0, this.#leftMs);
  }

  #next(): void {
    this.#sliceMs = Math.min(this.#leftMs, Math.max(10, Math.min(SLICE_MS, this.limitMs / 4)));
    this.#since = performance.now();
    this.#cancel = (this.options.unref ? unrefTimer : timer)(this.#sliceMs, () => {
      this.#cancel = undefined;
      this.#count();
      if (this.#leftMs > 0.5) this.#next();
      else this.onEnd();
    });
  }

  #count(): void {
    const took = performance.now() - this.#since;
    this.#leftMs -= took > this.#sliceMs + JUMP_MS ? this.#sliceMs / 2 : took;
  }
}

function timer(ms: number, onEnd: () => void): () => void {
  const id = setTimeout(onEnd, ms);
  return () => clearTimeout(id);
}

/** A timer that does not keep the program running. One that is cancelled is there until its time has come: a second at most. */
function unrefTimer(ms: number, onEnd: () => void): () => void {
  const signal = AbortSignal.timeout(Math.ceil(ms)); // Node takes whole numbers alone
  signal.addEventListener("abort", onEnd);
  return () => signal.removeEventListener("abort", onEnd);
}

/** The result of {@link within} when the promise took longer. */
export const LATE = Symbol("late");

/** A promise's value, or {@link LATE} when that takes longer than the limit. The promise goes on. */
export async function within<T>(
  limitMs: number,
  promise: Promise<T>,
  options?: LimitOptions,
): Promise<T | typeof LATE> {
  let endLimit = () => {};
  const late = new Promise<typeof LATE>((resolve) => endLimit = startLimit(limitMs, () => resolve(LATE), options));
  try {
    return await Promise.race([promise, late]);
  } finally {
    endLimit();
  }
}

/** Whether a promise settles within the limit. */
export async function settles(promise: Promise<unknown>, limitMs: number): Promise<boolean> {
  return await within(limitMs, promise.then(() => true, () => true)) === true;
}

/** Waits until one of the signals fires. Not by `AbortSignal.any`: what nothing else refers to may be collected, and never fires. */
export async function untilAborted(...signals: AbortSignal[]): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const fire = () => resolve();
  for (const signal of signals) signal.addEventListener("abort", fire);
  if (!signals.some(({ aborted }) => aborted)) await promise;
  for (const signal of signals) signal.removeEventListener("abort", fire);
}

/** A promise's value. @throws the signal's reason, when that fires first; the promise continues. */
export async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return await promise;
  promise.catch(() => {});
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort);
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/**
 * What a stream gives, piece by piece; nothing without one. It is cancelled when its reader has enough, and not waited for.
 * @throws what breaks the stream; the signal's reason, also while the stream has nothing to give
 */
export async function* readUnlessAborted<T>(
  stream: ReadableStream<T> | null,
  signal: AbortSignal | undefined,
): AsyncGenerator<T, void> {
  const reader = stream?.getReader();
  if (!reader) return;
  try {
    for (;;) {
      const { value, done } = await unlessAborted(reader.read(), signal);
      if (done) return;
      yield value;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
