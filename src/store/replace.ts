/**
 * Replacing a file by one that some program makes: made beside its place, under a name that says which process makes it, and
 * renamed. What a killed process leaves is found by that name (`Store.sweepTemporary`, `prune`), so nobody else invents one.
 */

import { exists, storeError, temporaryOf } from "../store.ts";

/** Replaces `path` by what `make` has put at the path that it is given. Whatever fails, nothing is left beside it. */
export async function replaceFile(path: string, make: (aside: string) => Promise<void>): Promise<void> {
  const aside = temporaryOf(path);
  try {
    await make(aside);
    await Deno.rename(aside, path);
  } finally {
    if (exists(aside)) await Deno.remove(aside).catch(() => {});
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
