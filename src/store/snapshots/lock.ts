/** The lock of the snapshots, and the directories below them. */

import { makeDirectory, storeError } from "../../system/files.ts";
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

export function makeSnapshotDirectories(store: Store): void {
  const { dir, layersDir, templatesDir, checkpointsDir } = snapshotPaths(store);
  try {
    for (const one of [dir, layersDir, templatesDir, checkpointsDir]) makeDirectory(one);
  } catch (cause) {
    throw storeError(`Cannot make ${dir}`, cause);
  }
}
