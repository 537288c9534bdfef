/**
 * Reads a growing file: its content, then appended bytes, as the system reports changes.
 *
 * A file that is truncated, or replaced by a new one, is read from its beginning; one that does not exist yet is
 * waited for.
 */

import { dirname } from "../system/path.ts";
import { isNotFound } from "../core/errors.ts";
import { closeWatcher } from "../system/changes.ts";
import { exists } from "../system/files.ts";
import { watchDirectory } from "../system/watch_directory.ts";

const CHUNK = 64 * 1024;
/** How often it is checked whether a file is gone with its directory. */
const DIRECTORY_MS = 500;

interface FollowOptions {
  /** Start with this many of the last lines; undefined: with all. */
  lines?: number;
  /** Continue with appended bytes, until the signal fires or the file's directory is gone. @default false */
  follow?: boolean;
  signal?: AbortSignal;
}

/** The file's bytes. A missing file has none (and is waited for when following). */
export async function* followFile(path: string, options: FollowOptions = {}): AsyncGenerator<Uint8Array> {
  // The watch begins before the first read, so that no write in between is missed.
  const watcher = options.follow
    ? watchDirectory(dirname(path), `follow ${path}`, { otherwise: "without -f it is printed all the same" })
    : undefined;
  const close = () => closeWatcher(watcher);
  options.signal?.addEventListener("abort", close);
  // Deno does not reliably report that a watched directory is gone (2.9.6 drops events of missing paths).
  const isThere = watcher && setInterval(() => exists(dirname(path)) || close(), DIRECTORY_MS);
  let file: Open | undefined;
  try {
    file = open(path);
    let offset = file && options.lines !== undefined ? startOfLastLines(file.handle, options.lines) : 0;
    const rest = function* () {
      const now = open(path);
      if (now && file && (now.inode !== file.inode || now.size < offset)) offset = 0;
      file?.handle.close();
      file = now;
      if (!file) return;
      for (const bytes of readFrom(file.handle, offset)) {
        offset += bytes.length;
        yield bytes;
      }
    };
    yield* rest();
    if (!watcher || options.signal?.aborted) return;
    for await (const event of watcher) {
      if (event.paths.includes(path)) yield* rest();
    }
  } finally {
    clearInterval(isThere);
    options.signal?.removeEventListener("abort", close);
    file?.handle.close();
    close();
  }
}

interface Open {
  handle: Deno.FsFile;
  inode: number | null;
  size: number;
}

function open(path: string): Open | undefined {
  try {
    const handle = Deno.openSync(path);
    const { ino, size } = handle.statSync();
    return { handle, inode: ino, size };
  } catch (thrown) {
    if (isNotFound(thrown)) return undefined;
    throw thrown;
  }
}

function* readFrom(file: Deno.FsFile, offset: number): Generator<Uint8Array> {
  file.seekSync(offset, Deno.SeekMode.Start);
  const buffer = new Uint8Array(CHUNK);
  for (let count = file.readSync(buffer); count; count = file.readSync(buffer)) yield buffer.slice(0, count);
}

/** The offset of the last lines; a newline at the very end ends the last line and begins no new one. */
function startOfLastLines(file: Deno.FsFile, lines: number): number {
  const size = file.statSync().size;
  const buffer = new Uint8Array(CHUNK);
  let newlines = 0;
  for (let end = size; end > 0;) {
    const start = Math.max(0, end - CHUNK);
    file.seekSync(start, Deno.SeekMode.Start);
    const count = file.readSync(buffer.subarray(0, end - start)) ?? 0;
    for (let at = count - 1; at >= 0; at--) {
      if (buffer[at] !== 0x0a || start + at === size - 1) continue;
      if (++newlines === lines) return start + at + 1;
    }
    end = start;
  }
  return lines === 0 ? size : 0;
}
