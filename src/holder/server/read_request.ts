/** Reads a request from a connection: a slow, silent or hostile client affects its own connection only. */

import { FleetboxError } from "../../core/errors.ts";
import { LATE, Limit, unlessAborted, within } from "../../core/deadline.ts";
import * as wire from "../../wire.ts";

/**
 * Reads a request's text (see `wire.ts` for where it ends); undefined when the client left without one.
 * @throws {FleetboxError} `protocol`: too long, or not finished in time.
 */
export async function readRequest(conn: Pick<Deno.UnixConn, "read">): Promise<string | undefined> {
  const reader = new wire.RequestReader();
  using limit = new Limit(wire.REQUEST_TIMEOUT_MS);
  const buffer = new Uint8Array(2048);
  let pending: Promise<number | null> | undefined;
  let isLate = false;
  for (let verdict: "more" | "quiet" = "more";;) {
    pending ??= conn.read(buffer);
    const count = await cameWithin(
      pending,
      isLate ? 0 : verdict === "quiet" ? wire.SILENCE_MS : undefined,
      limit.signal,
    );
    if (count === LATE) {
      // On a host that was busy everything is late: what came meanwhile is read first.
      if (!limit.signal.aborted || !isLate) {
        isLate = limit.signal.aborted;
        // Silence does not end an incomplete JSON request. It is parsed once for each silence, not for each byte.
        if (verdict === "quiet" && isWhole(reader.text())) return reader.text();
        verdict = "more";
        continue;
      }
      pending.catch(() => {});
      throw new FleetboxError("protocol", `the request was not finished within ${wire.REQUEST_TIMEOUT_MS / 1000} s`);
    }
    pending = undefined;
    if (count === null) return reader.text() === "" ? undefined : reader.text();
    const next = reader.push(buffer.subarray(0, count));
    if (next === "done") return reader.text();
    if (next === "too-long") {
      throw new FleetboxError("protocol", `the request is longer than ${wire.MAX_REQUEST_BYTES} bytes`);
    }
    verdict = next;
  }
}

function isWhole(text: string): boolean {
  if (!text.trimStart().startsWith("{")) return true;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** What a promise gives, or {@link LATE}: nothing came for a while, or the limit passed (which is looked at for the first time). */
async function cameWithin<T>(
  promise: Promise<T>,
  silenceMs: number | undefined,
  limit: AbortSignal,
): Promise<T | typeof LATE> {
  if (silenceMs !== undefined) return await within(silenceMs, promise);
  return await unlessAborted(promise, limit).catch((thrown): typeof LATE => {
    if (limit.aborted && thrown === limit.reason) return LATE;
    throw thrown;
  });
}
