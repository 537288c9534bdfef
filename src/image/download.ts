/**
 * Downloads one file over HTTP into a part that survives an interruption.
 *
 * An interrupted download resumes when the server still has the same file: by its validator (a strong ETag, else
 * Last-Modified) in `If-Range`, or by the digest that is checked at the end anyway (RFC 9110, 13.1.5 and 14.2). It
 * retries while it makes progress. Zeros become holes. `fetch.ts` decides whether the network may be used, and where
 * the file goes.
 */

import { Limit, pause, readUnlessAborted } from "../core/deadline.ts";
import { causesOf, FleetboxError, isNoSpace, messageOf } from "../core/errors.ts";
import { removeIfThere, storeError, writeDurably } from "../system/files.ts";
import { follow } from "../system/http.ts";
import { SparseWriter } from "./sparse.ts";

interface DownloadRequest {
  url: string;
  /** The growing file; its facts are in a file beside it. */
  part: string;
  state: string;
  /** Whether the caller checks the digest, so that a part may be continued on trust. */
  isPinned: boolean;
  signal?: AbortSignal;
  /** Called now and then, and at the beginning and the end. */
  onBytes?: (bytes: number, total: number | undefined) => void;
  limits?: Partial<Limits>;
}

export interface Limits {
  /** The longest time without a byte. */
  stallMs: number;
  /** How many attempts in a row may fail without progress. */
  attempts: number;
  /** The wait before the second attempt; doubled for each after it. */
  backoffMs: number;
  redirects: number;
}

const LIMITS: Limits = { stallMs: 30_000, attempts: 3, backoffMs: 1_000, redirects: 10 };

/** The facts about a part, kept beside it as JSON. */
interface PartState {
  url: string;
  /** A strong ETag or a Last-Modified. */
  validator?: string;
  /** The whole file's size. */
  total?: number;
}

/** A part's length and facts; undefined when there is no part. */
export function readPart(part: string, state: string): { bytes: number; state: PartState } | undefined {
  try {
    const { size } = Deno.statSync(part);
    const known = JSON.parse(Deno.readTextFileSync(state)) as PartState;
    return typeof known.url === "string" ? { bytes: size, state: known } : undefined;
  } catch {
    return undefined;
  }
}

/** Removes a part. */
export function dropPart(paths: { part: string; state: string }): void {
  removeIfThere(paths.part);
  removeIfThere(paths.state);
}

/**
 * Downloads until the part is whole. When it fails, the part stays if it can be continued.
 * @returns whether it continued an earlier part.
 * @throws {FleetboxError} `not-found`: the server has no such file; `timeout`: it sent nothing for too long;
 * `no-space`; `unavailable`:
 *   it cannot be reached; `failed`
 */
export async function download(request: DownloadRequest): Promise<{ resumed: boolean }> {
  const limits = { ...LIMITS, ...request.limits };
  let resumed = false;
  for (let failures = 0;;) {
    const before = readPart(request.part, request.state)?.bytes ?? 0;
    try {
      resumed = await attempt(request, limits) || resumed;
      return { resumed };
    } catch (thrown) {
      request.signal?.throwIfAborted();
      if (isNoSpace(thrown)) {
        dropPart(request);
        throw storeError(`Cannot download ${request.url}`, thrown);
      }
      if (!(thrown instanceof Interrupted)) throw thrown;
      const after = readPart(request.part, request.state)?.bytes ?? 0;
      failures = after > before ? 1 : failures + 1;
      if (failures >= limits.attempts) throw gaveUp(request.url, thrown, after);
      await pause(limits.backoffMs * 2 ** (failures - 1), request.signal);
    }
  }
}

/** A failed attempt that is worth another. */
class Interrupted extends Error {
  constructor(message: string, readonly code: "timeout" | "unavailable" | "failed", options?: ErrorOptions) {
    super(message, options);
  }
}

/** One request and its answer. @returns whether it continued a part. */
async function attempt(request: DownloadRequest, limits: Limits): Promise<boolean> {
  const { part, state } = request;
  using stall = new Limit(limits.stallMs);
  const signal = request.signal ? AbortSignal.any([request.signal, stall.signal]) : stall.signal;
  let writer: SparseWriter | undefined;
  try {
    const known = continuable(request);
    const response = await follow(request.url, {
      headers: rangeHeaders(known),
      signal,
      redirects: limits.redirects,
      refused: (why) =>
        new FleetboxError("failed", `Cannot download ${request.url}: ${why}`, {
          hint: `See its redirects: curl -IL '${request.url}'`,
        }),
    });
    stall.restart();
    if (response.status === 416 && known) {
      await response.body?.cancel();
      if (known.bytes === totalOf(response)) return true; // it is already whole
      dropPart(request);
      throw new Interrupted("the server no longer has that part of the file", "failed");
    }
    const continues = response.status === 206 && known !== undefined;
    if (!continues && response.status !== 200) throw await refusal(request.url, response);
    if (continues && startOf(response) !== known.bytes) {
      await response.body?.cancel();
      dropPart(request);
      throw new Interrupted("the server sent another part of the file than requested", "failed");
    }
    const total = continues ? totalOf(response) ?? known.state.total : lengthOf(response);
    await writeDurably(state, JSON.stringify({ url: request.url, validator: validatorOf(response), total }) + "\n", {
      sync: false,
    });
    writer = await (continues ? SparseWriter.append(part) : SparseWriter.create(part));
    // An aborted fetch may still read its body after the headers came.
    await receive(readUnlessAborted(response.body, signal), writer, total, stall, request.onBytes);
    await writer.finish();
    return continues;
  } catch (cause) {
    if (request.signal?.aborted || cause instanceof FleetboxError || cause instanceof Interrupted) throw cause;
    if (isNoSpace(cause)) throw cause;
    if (stall.signal.aborted) {
      throw new Interrupted(`the server sent nothing for ${limits.stallMs / 1000} s`, "timeout");
    }
    // fetch() only says that it failed; the reason is at the end of the chain.
    throw new Interrupted(causesOf(cause).at(-1) ?? messageOf(cause), "unavailable", { cause });
  } finally {
    writer?.close();
  }
}

const TELL_EVERY_MS = 200;

async function receive(
  pieces: AsyncIterable<Uint8Array>,
  writer: SparseWriter,
  total: number | undefined,
  stall: Limit,
  onBytes: DownloadRequest["onBytes"],
): Promise<void> {
  let toldMs = performance.now();
  onBytes?.(writer.length, total);
  for await (const piece of pieces) {
    await writer.write(piece);
    stall.restart();
    if (performance.now() - toldMs < TELL_EVERY_MS) continue;
    toldMs = performance.now();
    onBytes?.(writer.length, total);
  }
  if (total !== undefined && writer.length !== total) {
    throw new Interrupted(`the file ended after ${writer.length} bytes, expected ${total}`, "failed");
  }
  onBytes?.(writer.length, total ?? writer.length);
}

/** The part, if the server can be asked for its rest. */
function continuable({ url, part, state, isPinned }: DownloadRequest): { bytes: number; state: PartState } | undefined {
  const known = readPart(part, state);
  if (!known || known.bytes === 0 || known.state.url !== url) return undefined;
  return known.state.validator !== undefined || isPinned ? known : undefined;
}

function rangeHeaders(known: { bytes: number; state: PartState } | undefined): HeadersInit {
  // A compressed transfer would be counted and continued wrongly.
  const plain = { "accept-encoding": "identity" };
  if (!known) return plain;
  const { validator } = known.state;
  return { ...plain, range: `bytes=${known.bytes}-`, ...(validator === undefined ? {} : { "if-range": validator }) };
}

/** The error for an answer without a file. A server's own failure may be temporary. */
async function refusal(url: string, response: Response): Promise<Error> {
  await response.body?.cancel();
  const said = `the server answered ${response.status}${response.statusText ? ` ${response.statusText}` : ""}`;
  if (response.status >= 500 || response.status === 429) return new Interrupted(said, "unavailable");
  const isAbsent = response.status === 404 || response.status === 410;
  return new FleetboxError(isAbsent ? "not-found" : "failed", `Cannot download ${url}: ${said}`, {
    hint: isAbsent ? "Its publisher may have removed it: see which files there are now." : undefined,
  });
}

function gaveUp(url: string, cause: Interrupted, bytes: number): FleetboxError {
  return new FleetboxError(cause.code, `Cannot download ${url}: ${cause.message}`, {
    cause: cause.cause,
    hint: bytes > 0 ? "Try again: the download resumes." : "Check that this host reaches the server.",
  });
}

function validatorOf(response: Response): string | undefined {
  const etag = response.headers.get("etag");
  if (etag && !etag.startsWith("W/")) return etag; // a weak one does not identify the bytes
  return response.headers.get("last-modified") ?? undefined;
}

function lengthOf(response: Response): number | undefined {
  const length = response.headers.get("content-length");
  return length !== null && /^\d+$/.test(length) ? Number(length) : undefined;
}

/** The total of `Content-Range: bytes 100-199/200`, also where it has only the total. */
function totalOf(response: Response): number | undefined {
  const total = /\/(\d+)$/.exec(response.headers.get("content-range") ?? "")?.[1];
  return total === undefined ? undefined : Number(total);
}

function startOf(response: Response): number | undefined {
  const start = /^bytes (\d+)-/.exec(response.headers.get("content-range") ?? "")?.[1];
  return start === undefined ? undefined : Number(start);
}
