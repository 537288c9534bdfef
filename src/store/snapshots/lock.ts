/** The lock of the snapshots, and the directories below them. */

import { makeDirectory, removeIfThere, storeError } from "../../system/files.ts";
import { withLock } from "../../system/locks.ts";
import type { Store } from "../../store.ts";
import { snapshotPaths } from "./paths.ts";

/**
 * Runs `work` while no other process changes what is visible of the snapshots. What reads a layer is written under it: the
 * layer cannot go in between. Take it after a member's lock, and not again inside.
 */
export async function withSnapshotLock<T>(store: Store, work: () => Promise<T>): Promise<T> {
  return await withLock(snapshotPaths(store).lock, work, { prepare: () => makeSnapshotDirectories(store) });
}

/**
 * Runs `work` while no other program does the same for this checkpoint: one makes it, the others wait and find it. That
 * takes as long as its machines need.
 */
export async function withCheckpointLock<T>(store: Store, name: string, work: () => Promise<T>): Promise<T> {
  const { lock } = snapshotPaths(store).checkpoint(name);
  return await withLock(lock, work, {
    prepare: () => makeSnapshotDirectories(store),
    release: () => removeIfThere(lock),
  });
}

export function makeSnapshotDirectories(store: Store): void {
  const { dir, layersDir, templatesDir, checkpointsDir } = snapshotPaths(store);
  try {
    for (const one of [dir, layersDir, templatesDir, checkpointsDir]) makeDirectory(one);
  } catch (cause) {
    throw storeError(`Cannot make ${dir}`, cause);
  }
}
