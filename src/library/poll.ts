/** Repeats an attempt until it succeeds: the loop of every `waitFor`. */

import { Limit, pause } from "../core/deadline.ts";

/** Of every `waitFor`. */
export const DEFAULT_LIMIT_MS = 60_000;
export const DEFAULT_INTERVAL_MS = 200;

interface PollOptions {
  limitMs: number;
  intervalMs: number;
  signal?: AbortSignal;
  /** Whether a failure is final, so that waiting is useless. */
  isFinal?: (thrown: unknown) => boolean;
}

/** Thrown by {@link poll} when its time is over; `cause` is the last failure. */
export class TimeOver extends Error {
  override readonly name = "TimeOver";
}

/**
 * Calls `attempt` until it succeeds, and returns its result. An error means "not yet".
 * @throws {TimeOver} at the limit, also when an attempt hangs (its signal fires then); the signal's reason; a final failure.
 */
export async function poll<T>(options: PollOptions, attempt: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const { limitMs, intervalMs, signal, isFinal } = options;
  signal?.throwIfAborted();
  using over = new Limit(limitMs);
  const either = signal ? AbortSignal.any([signal, over.signal]) : over.signal;
  const ended = new Promise<never>((_, reject) => {
    either.addEventListener("abort", () => reject(new TimeOver()), { once: true });
  });
  ended.catch(() => {});
  let last: unknown;
  for (;;) {
    try {
      const tried = attempt(either);
      tried.catch(() => {});
      return await Promise.race([tried, ended]);
    } catch (thrown) {
      if (signal?.aborted) throw signal.reason;
      if (over.signal.aborted) {
        const cause = last ?? (thrown instanceof TimeOver ? undefined : thrown);
        throw new TimeOver("the time is over", cause === undefined ? undefined : { cause });
      }
      if (isFinal?.(thrown)) throw thrown;
      last = thrown;
    }
    await pause(intervalMs, either);
  }
}
