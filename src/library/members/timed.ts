/** Calls that wait for a guest, within a time: one that hangs answers nothing, so they end without it. */

import { startLimit, unlessAborted } from "../../core/deadline.ts";
import { FleetboxError } from "../../core/errors.ts";
import { begunAt } from "../trace/call_site.ts";

/** A call, for its errors. */
interface Call {
  /** `copyTo() on "a"` */
  name: string;
  /** What it does then: `copying x to y` */
  doing: string;
  /** Made where it began. */
  begun: FleetboxError;
}

/**
 * Does work until it has ended, its time is over, or a signal fires; then its signal has fired, and it is abandoned.
 * @throws {FleetboxError} `timeout`, `interrupted`: what it was doing; what the work throws
 */
export async function timed<T>(
  { name, doing, begun }: Call,
  { timeoutMs, signal }: { timeoutMs?: number; signal?: AbortSignal },
  work: (signal: AbortSignal | undefined) => Promise<T>,
  abandon: (work: Promise<T>) => void,
): Promise<T> {
  if (timeoutMs === undefined && !signal) return await work(undefined);
  const late = new AbortController();
  const endLimit = timeoutMs === undefined ? () => {} : startLimit(timeoutMs, () => late.abort());
  const either = AbortSignal.any([late.signal, ...(signal ? [signal] : [])]);
  const underWay = work(either);
  try {
    return await unlessAborted(underWay, either);
  } catch (thrown) {
    if (either.aborted) abandon(underWay);
    if (signal?.aborted) {
      const error = new FleetboxError("interrupted", `${name} was interrupted: ${doing}`, { cause: signal.reason });
      throw begunAt(begun, error);
    }
    if (!late.signal.aborted) throw thrown;
    throw begunAt(begun, new FleetboxError("timeout", `${name} did not end within ${timeoutMs} ms: ${doing}`));
  } finally {
    endLimit();
  }
}
