/** Directories of members that were claimed and never made: nothing came into them but the pidfile and the lock. */

import type { Store } from "../store.ts";
import { exists, namesIn, removeIfThere } from "../system/files.ts";
import { claimedElsewhere } from "./elsewhere.ts";
import { isAnswered } from "../system/sockets.ts";
import { join } from "../core/paths.ts";

/** Removes a member's directory, and its cluster's, when there is nothing in it. */
export function removeEmptyDirectory(store: Store, name: string): void {
  const { dir } = store.member(name);
  try {
    Deno.removeSync(dir);
    Deno.removeSync(join(dir, ".."));
  } catch { /* something is in one of them, or somebody else was faster */ }
}

/** Removes the directory of a member that nobody serves, when nothing is in it but the lock. */
export async function removeIfUnmade(store: Store, name: string): Promise<void> {
  const { dir, lock } = store.member(name);
  const isUnmade = () => exists(dir) && [...Deno.readDirSync(dir)].every((entry) => entry.name === ".lock");
  if (!isUnmade()) return;
  await store.withMemberLock(name, () => {
    if (isUnmade()) {
      removeIfThere(lock);
      removeEmptyDirectory(store, name);
    }
    return Promise.resolve();
  });
}

/**
 * Removes what killed holders had claimed of members that they did not make any more: a socket, a pidfile, a directory with nothing
 * else in it. No later start may name them. One that is served meanwhile stays.
 */
export async function sweepUnmade(store: Store, names: readonly string[]): Promise<void> {
  const unmade = names.map((name) => ({ name, ...store.member(name) })).filter(({ dir, socket }) =>
    (exists(socket) || exists(dir)) &&
    namesIn(dir).every((entry) => entry === ".lock" || entry === "pid" || entry === "host")
  );
  if (unmade.length === 0) return;
  await store.withClaimLock(async () => {
    for (const { name, socket, pid, host } of unmade) {
      if (await isAnswered(socket) || await claimedElsewhere(store, name)) continue;
      for (const path of [socket, pid, host]) removeIfThere(path);
    }
  });
  for (const { name } of unmade) await removeIfUnmade(store, name);
}
