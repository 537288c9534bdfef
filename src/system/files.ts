/**
 * Files and directories of the host: quiet looks at what is there, and the one way to replace a file.
 *
 * What is replaced is made beside its place, under a name that says which process makes it ({@link temporaryOf}), synced
 * and renamed: a reader sees the old or the new content, never a part. What a killed process leaves is found by that name
 * (`Store.sweepTemporary`, `prune`), so no other file makes up such a name. A quiet look answers "not there" also for what
 * may not be read: use it where both mean the same to the user.
 */

import { hex, writeAll } from "../core/bytes.ts";
import { FleetboxError, isNoSpace, isNotFound, messageOf } from "../core/errors.ts";
import { sha256 } from "../core/sha256.ts";
import { thisHost } from "./this_host.ts";

/** Whether anything is at a path; a link counts, wherever it leads. */
export function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

/** What is at a path, or undefined: not there, or not for us to see. Follows links. */
export function statIfThere(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch {
    return undefined;
  }
}

function isDirectory(path: string): boolean {
  return statIfThere(path)?.isDirectory ?? false;
}

export function isFile(path: string): boolean {
  return statIfThere(path)?.isFile ?? false;
}

/** A file's size in bytes; 0 when it is not there. */
export function sizeOf(path: string): number {
  return statIfThere(path)?.size ?? 0;
}

/** A file's text, or undefined: not there, or not for us to read. */
export function readIfThere(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined;
  }
}

/**
 * The end of a file that others append to, from an offset on (before `end`), at most `max` bytes; nothing when it is not
 * there. A file that is shorter than the offset was cut since: all of it is newer.
 */
export function readEnd(path: string, from: number, max: number, end = Infinity): Uint8Array {
  try {
    using file = Deno.openSync(path);
    const size = Math.min(end, file.statSync().size);
    const start = Math.max(from > size ? 0 : from, size - max);
    file.seekSync(start, Deno.SeekMode.Start);
    const bytes = new Uint8Array(size - start);
    return bytes.subarray(0, file.readSync(bytes) ?? 0);
  } catch {
    return new Uint8Array();
  }
}

/** What is in a directory, in no order; nothing when it is not there. */
export function entriesOf(path: string): Deno.DirEntry[] {
  try {
    return [...Deno.readDirSync(path)];
  } catch {
    return [];
  }
}

/** The names of what is in a directory, in no order; nothing when it is not there. */
export function namesIn(path: string): string[] {
  return entriesOf(path).map(({ name }) => name);
}

/** What a file, or a directory with all in it, takes up on the disk; a sparse file takes up less than its size. */
export function bytesUsed(path: string): number {
  try {
    const { isDirectory, blocks, size } = Deno.lstatSync(path);
    if (isDirectory) return namesIn(path).reduce((sum, name) => sum + bytesUsed(`${path}/${name}`), 0);
    return blocks === null ? size : blocks * 512;
  } catch {
    return 0;
  }
}

/** Whether there is something that is neither a directory nor leads to one. */
function isOther(path: string): boolean {
  try {
    return !Deno.lstatSync(path).isDirectory && !isDirectory(path);
  } catch {
    return false;
  }
}

/** How often a directory is made that is gone again at once: other processes may remove it, or the one above it, as empty. */
const MAKE_TRIES = 20;

/** Makes a directory and those above it, 0700 whatever the umask. One that is there stays as it is. */
export function makeDirectory(path: string): void {
  for (let left = MAKE_TRIES;; left--) {
    try {
      if (isDirectory(path)) return;
      Deno.mkdirSync(path, { recursive: true, mode: 0o700 });
      const { mode } = Deno.statSync(path); // the umask may have removed bits
      if (mode !== null && (mode & 0o777) !== 0o700) Deno.chmodSync(path, 0o700);
      return;
    } catch (thrown) {
      const isGone = isNotFound(thrown) || (thrown instanceof Deno.errors.AlreadyExists && !isOther(path));
      if (!isGone || left === 1) throw thrown;
    }
  }
}

/** Removes a file, if it exists. */
export function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (thrown) {
    if (!isNotFound(thrown) && !(thrown instanceof Deno.errors.NotADirectory)) throw thrown;
  }
}

/** Where something is made that will be renamed to `path`. Its name says which process makes it, and on which host. */
export function temporaryOf(path: string): string {
  return `${path}.${Deno.pid}-${crypto.randomUUID().slice(0, 8)}-${hostMark()}.tmp`;
}

/** Three hexadecimal digits of this host's name and id, which stay the same over its boots. */
let mark: string | undefined;
function hostMark(): string {
  const { name, machine = "" } = thisHost();
  return mark ??= hex(sha256(`${name} ${machine}`)).slice(0, 3);
}

/** Whether {@link temporaryOf} has made a name on this host. Names of earlier versions, which have no mark, count as such. */
export function isOfThisHost(name: string): boolean {
  return (/-([0-9a-f]{3})\.tmp(\.d)?$/.exec(name)?.[1] ?? hostMark()) === hostMark();
}

/** The process that made a file or a directory of this name aside, or undefined: the name is not one of {@link temporaryOf}. */
export function writerOf(name: string): number | undefined {
  const pid = /\.(\d+)-[0-9a-f]{8}(-[0-9a-f]{3})?\.tmp(\.d)?$/.exec(name)?.[1];
  return pid === undefined ? undefined : Number(pid);
}

/** Replaces `path` by what `make` has put at the path that it is given. After a failure no temporary file is left. */
export async function replaceFile(path: string, make: (aside: string) => Promise<void>): Promise<void> {
  const aside = temporaryOf(path);
  try {
    await make(aside);
    await Deno.rename(aside, path);
  } finally {
    if (exists(aside)) await Deno.remove(aside).catch(() => {});
  }
}

/**
 * Replaces a file by this content, synced.
 * @throws {FleetboxError} `no-space`, `denied` or `failed`, with the path.
 */
export async function writeDurably(
  path: string,
  content: string | Uint8Array,
  options: { mode?: number; sync?: boolean } = {},
): Promise<void> {
  try {
    await replaceFile(path, async (aside) => {
      using file = await Deno.open(aside, { write: true, createNew: true, mode: options.mode ?? 0o600 });
      const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
      await writeAll(file, bytes);
      if (options.sync !== false) await file.syncData();
    });
  } catch (cause) {
    throw storeError(`Cannot write ${path}`, cause);
  }
}

/** Runs `work` with a private directory beside `path`, which is gone afterwards. */
export async function withDirectoryBeside<T>(path: string, work: (directory: string) => Promise<T>): Promise<T> {
  const directory = temporaryOf(path);
  try {
    await Deno.mkdir(directory, { mode: 0o700 });
  } catch (cause) {
    throw storeError(`Cannot write ${path}`, cause);
  }
  try {
    return await work(directory);
  } finally {
    await Deno.remove(directory, { recursive: true }).catch(() => {});
  }
}

/** The error of a failed write in the store, with its code and hint. */
export function storeError(what: string, cause: unknown): FleetboxError {
  const isFull = isNoSpace(cause);
  if (cause instanceof FleetboxError && !(isFull && cause.code === "failed")) return cause;
  if (isFull) {
    return new FleetboxError("no-space", `${what}: no space left on the device`, {
      cause,
      hint: "Free some space there, or set FLEETBOX_HOME to a directory on another disk.",
    });
  }
  if (cause instanceof Deno.errors.PermissionDenied || /read-only file system/i.test(messageOf(cause))) {
    return new FleetboxError("denied", `${what}: it cannot be written`, {
      cause,
      hint: "Set FLEETBOX_HOME to a directory that you can write.",
    });
  }
  return new FleetboxError("failed", what, { cause });
}

/** Makes a file, or a directory's list of names, last over a loss of power. */
export async function syncPath(path: string): Promise<void> {
  using file = await Deno.open(path);
  await file.sync();
}
