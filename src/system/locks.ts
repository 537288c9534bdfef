/**
 * Locks between processes: flock(2) on a file, which the kernel lets go of when its process ends.
 *
 * A lock's file may be removed, with its directory or by its last user. So a lock counts only while it is on the file that
 * is visible at its path; one on a file that is gone is let go of, and taken anew.
 */

import { isNotFound } from "../core/errors.ts";
import { storeError } from "./files.ts";

interface LockOptions {
  /** Called before each try: makes the directory of the lock, which may have been removed meanwhile. */
  prepare?: () => void;
  /** Called under the lock when the work is done, whatever came of it. */
  release?: () => void | Promise<void>;
  /** Waits for the lock in its own way: with a limit, or with a word to the user. @default without a limit */
  wait?: (lock: Promise<Deno.FsFile | undefined>) => Promise<Deno.FsFile | undefined>;
}

/** Runs `work` while this process holds the lock at `path`; waits for the process that holds it. */
export async function withLock<T>(path: string, work: () => Promise<T>, options: LockOptions = {}): Promise<T> {
  const { prepare, release, wait = (lock) => lock } = options;
  for (;;) {
    prepare?.();
    using held = await wait(lockFile(path));
    if (!held) continue;
    try {
      return await work();
    } finally {
      await release?.();
    }
  }
}

/** Opens and locks a file, waiting for the process that holds it; undefined when it was unlinked or replaced meanwhile. */
export async function lockFile(path: string): Promise<Deno.FsFile | undefined> {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(path, { create: true, read: true, write: true, mode: 0o600 });
  } catch (cause) {
    if (isNotFound(cause)) return undefined;
    throw storeError(`Cannot open the lock ${path}`, cause);
  }
  try {
    await file.lock(true);
    const [held, visible] = [await file.stat(), await Deno.lstat(path)];
    if (held.ino === visible.ino && held.dev === visible.dev) return file;
  } catch (cause) {
    file.close();
    if (isNotFound(cause)) return undefined;
    throw storeError(`Cannot lock ${path}`, cause);
  }
  file.close();
  return undefined;
}
