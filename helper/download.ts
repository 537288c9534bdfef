/**
 * A helper from the catalogue, in the store's `bin/`: downloaded once, checked before it gets its name, checked again
 * before it is used.
 *
 * Under `bin/.lock`: of several clients one downloads and the others wait for it. The bytes go to `….part`; they become
 * the program (0700, renamed) when size and SHA-256 are those of the catalogue, and are deleted otherwise. The next
 * download deletes what an interrupted one left, and starts again. `FLEETBOX_OFFLINE` opens no connection.
 */

import { Limit, pause, readUnlessAborted } from "../src/core/deadline.ts";
import { createHash } from "node:crypto";
import { writeAll } from "../src/core/bytes.ts";
import { isOffline, OFFLINE_VARIABLE } from "../src/core/environment.ts";
import { FleetboxError, messageOf } from "../src/core/errors.ts";
import { digestOfRest } from "../src/system/digest.ts";
import { exists, removeIfThere, storeError } from "../src/system/files.ts";
import { follow } from "../src/system/http.ts";
import type { Store } from "../src/store.ts";
import type { CatalogEntry } from "./catalog.ts";

export interface Wanted extends CatalogEntry {
  version: string;
  target: string;
}

export interface DownloadOptions {
  /** @default {@link isOffline} */
  offline?: boolean;
  /** How long a download may receive no bytes, in milliseconds. @default 30000 */
  stallMs?: number;
  signal?: AbortSignal;
}

/** How often a broken download is started again, and the waits between. */
const RETRY_MS = [200, 1_000];
const MAX_REDIRECTS = 5;

/**
 * The program's path.
 * @throws {FleetboxError} `unavailable`: offline, or the server does not have it; `damaged`: it is not what the catalogue
 * promises; `timeout`, `no-space`, `denied`, `interrupted`, `failed`.
 */
export async function downloadHelper(store: Store, wanted: Wanted, options: DownloadOptions = {}): Promise<string> {
  const { offline = isOffline(), signal } = options;
  const program = store.helper(wanted.version, wanted.target);
  if (await isWhole(program, wanted)) return program;
  if (offline) {
    throw new FleetboxError("unavailable", `${OFFLINE_VARIABLE} is set, and ${program} is not there`, {
      hint: `Unset it for once, or set FLEETBOX_HELPER to the path of fleetbox or fleetbox-helper.`,
    });
  }
  return await store.withBinLock(async () => {
    if (await isWhole(program, wanted)) return program; // the process that we waited for has downloaded it
    removeIfThere(program);
    for (let attempt = 0;; attempt++) {
      try {
        await fetchTo(program, wanted, options);
        return program;
      } catch (thrown) {
        if (!(thrown instanceof Broken)) throw thrown;
        if (attempt >= RETRY_MS.length) throw thrown.asError(wanted.url);
        await pause(RETRY_MS[attempt]);
        if (signal?.aborted) throw interrupted(wanted.url);
      }
    }
  });
}

/** A failed download that is worth another try. */
class Broken extends Error {
  constructor(readonly code: "failed" | "timeout", message: string, cause?: unknown) {
    super(message, { cause });
  }

  asError(url: string): FleetboxError {
    return new FleetboxError(this.code, `Cannot download ${url}: ${this.message}, ${RETRY_MS.length + 1} times`, {
      cause: this.cause,
      hint: "Try again later, or set FLEETBOX_HELPER to the path of fleetbox or fleetbox-helper.",
    });
  }
}

async function fetchTo(program: string, wanted: Wanted, { stallMs = 30_000, signal }: DownloadOptions): Promise<void> {
  const part = `${program}.part`;
  using stall = new Limit(stallMs);
  const abort = signal ? AbortSignal.any([signal, stall.signal]) : stall.signal;
  try {
    removeIfThere(part);
    const body = await open(wanted.url, abort);
    await write(part, body, wanted, abort, () => stall.restart());
    await Deno.chmod(part, 0o700);
    await Deno.rename(part, program);
  } catch (thrown) {
    if (signal?.aborted) throw interrupted(wanted.url);
    if (stall.signal.aborted) throw new Broken("timeout", `received no bytes for ${stallMs / 1000} s`);
    if (thrown instanceof FleetboxError || thrown instanceof Broken) throw thrown;
    throw storeError(`Cannot keep the helper ${program}`, thrown);
  } finally {
    if (exists(part)) removeIfThere(part);
  }
}

/** The body of a URL, after at most {@link MAX_REDIRECTS} redirects. */
async function open(url: string, signal: AbortSignal): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  const refused = (why: string) => unavailable(url, why);
  const response = await follow(url, { signal, redirects: MAX_REDIRECTS, refused }).catch((cause) => {
    if (cause instanceof FleetboxError) throw cause;
    throw new Broken("failed", messageOf(cause), cause);
  });
  const { status } = response;
  if (status === 200 && response.body) return response.body;
  await response.body?.cancel();
  if (status >= 500 || status === 429) throw new Broken("failed", `the server answered ${status}`);
  throw unavailable(url, `the server answered ${status}, expected 200`);
}

/** Writes a body to a file. @throws when the bytes are not the expected ones. */
async function write(
  path: string,
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  wanted: Wanted,
  signal: AbortSignal,
  onProgress: () => void,
): Promise<void> {
  const hash = createHash("sha256");
  const file = await Deno.open(path, { write: true, createNew: true, mode: 0o600 });
  const pieces = readUnlessAborted(body, signal);
  let length = 0;
  try {
    for (;;) {
      const { value, done } = await pieces.next().catch((cause) => {
        throw new Broken("failed", `it broke off after ${length} of ${wanted.bytes} bytes`, cause);
      });
      if (done) break;
      onProgress();
      length += value.length;
      if (length > wanted.bytes) throw refused(wanted, `more than ${wanted.bytes} bytes`, `${wanted.bytes}`);
      hash.update(value);
      await writeAll(file, value);
    }
    if (length < wanted.bytes) throw new Broken("failed", `it ended after ${length} of ${wanted.bytes} bytes`);
    const digest = hash.digest("hex");
    if (digest !== wanted.sha256) throw refused(wanted, `SHA-256 ${digest}`, wanted.sha256);
    await file.syncData();
  } finally {
    file.close();
    await pieces.return();
  }
}

/** Whether the file is the expected program, byte for byte. */
async function isWhole(path: string, wanted: Wanted): Promise<boolean> {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(path);
  } catch {
    return false;
  }
  try {
    const { isFile, size, mode } = await file.stat();
    if (!isFile || size !== wanted.bytes || ((mode ?? 0o700) & 0o777) !== 0o700) return false;
    return await digestOfRest(file) === wanted.sha256;
  } finally {
    file.close();
  }
}

function refused({ url }: Wanted, found: string, expected: string): FleetboxError {
  return new FleetboxError(
    "damaged",
    `${url} is not the helper of the catalogue: found ${found}, expected ${expected}`,
    {
      hint: "It was deleted. Do not use what that server gives; set FLEETBOX_HELPER to a fleetbox that you trust.",
    },
  );
}

function unavailable(url: string, why: string): FleetboxError {
  return new FleetboxError("unavailable", `Cannot download ${url}: ${why}`, {
    hint: "Set FLEETBOX_HELPER to the path of fleetbox or fleetbox-helper.",
  });
}

function interrupted(url: string): FleetboxError {
  return new FleetboxError("interrupted", `The download of ${url} was interrupted`);
}
