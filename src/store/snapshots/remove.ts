/**
 * Removing a template or a checkpoint: it is renamed away at once, then its layers go that nothing else reads, then its files.
 * Nothing that is based on it is broken by that.
 */

import { isNotFound } from "../../core/errors.ts";
import { join } from "../../core/paths.ts";
import { exists, storeError, temporaryOf } from "../../system/files.ts";
import type { Store } from "../../store.ts";
import { collectLayersHeld, layerReaders } from "./layers.ts";
import { withSnapshotLock } from "./lock.ts";
import { REMOVED, snapshotPaths } from "./paths.ts";
import { readCheckpoint } from "./read.ts";

/** What is based on a checkpoint, and keeps layers of it. */
export interface CheckpointUsers {
  members: string[];
  checkpoints: string[];
}

/** Removes a template, also a damaged one; false when there is none. @throws {FleetboxError} `denied`, `failed` */
export async function removeTemplate(store: Store, key: string): Promise<boolean> {
  return await remove(store, snapshotPaths(store).template(key).dir);
}

/**
 * Removes a checkpoint, also a damaged one; false when there is none.
 * @param isDoomed called under the lock: false keeps it
 * @throws {FleetboxError} `denied`, `failed`
 */
export async function removeCheckpoint(store: Store, name: string, isDoomed?: () => boolean): Promise<boolean> {
  return await remove(store, snapshotPaths(store).checkpoint(name).dir, isDoomed);
}

async function remove(store: Store, place: string, isDoomed: () => boolean = () => true): Promise<boolean> {
  if (!exists(place)) return false;
  const doomed = await withSnapshotLock(store, async () => {
    if (!exists(place) || !isDoomed()) return undefined;
    const aside = await makeUnreachable(store, place);
    await collectLayersHeld(store).catch(() => {}); // they go with the next ones
    return aside;
  });
  if (doomed === undefined) return false;
  await removeUnreachable(doomed);
  return true;
}

/** Renames it away, under a name that is swept when this process is gone. The caller holds the lock. @returns the new path */
export async function makeUnreachable(store: Store, place: string): Promise<string> {
  const doomed = temporaryOf(join(snapshotPaths(store).dir, REMOVED));
  try {
    await Deno.rename(place, doomed);
  } catch (cause) {
    throw storeError(`Cannot remove ${place}`, cause);
  }
  return doomed;
}

/** Deletes what {@link makeUnreachable} gave. @throws {FleetboxError} `denied`, `failed` */
export async function removeUnreachable(doomed: string): Promise<void> {
  try {
    await Deno.remove(doomed, { recursive: true });
  } catch (cause) {
    if (!isNotFound(cause)) throw storeError(`Cannot remove ${doomed}`, cause);
  }
}

/**
 * The members and the other checkpoints whose disks are based on a checkpoint's, its own originals among them: they keep its layers
 * when it is removed. Of a damaged checkpoint nobody knows.
 */
export function usersOfCheckpoint(store: Store, name: string): CheckpointUsers {
  const own = new Set(ownLayers(store, name));
  const users = layerReaders(store).readers.filter(({ layers }) => layers.some((id) => own.has(id)));
  const namesOf = (kind: "member" | "checkpoint") => users.filter((one) => one.kind === kind).map((one) => one.name);
  return {
    members: namesOf("member").sort(),
    checkpoints: namesOf("checkpoint").filter((other) => other !== name).sort(),
  };
}

/** The layers that were made for a checkpoint: the disks of its members. */
function ownLayers(store: Store, name: string): string[] {
  try {
    const manifest = readCheckpoint(store, name);
    return Object.values(manifest?.members ?? {}).map(({ config }) => config.layers![0]);
  } catch {
    return [];
  }
}
