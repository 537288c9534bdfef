/**
 * The suspended state of a member, in its directory beside the disk to which it belongs: `suspended/devices`, `suspended/memory`.
 *
 * It is used once. It is out of sight before its machine runs, for the disk changes then, and the two would not fit any more.
 */

import { join } from "../../core/paths.ts";
import { exists, makeDirectory, temporaryOf } from "../../system/files.ts";
import type { Store } from "../../store.ts";
import { type SavedPaths, snapshotFilesIn as savedAt } from "./paths.ts";

export function suspendedPaths(store: Store, name: string): SavedPaths {
  return savedAt(join(store.member(name).dir, "suspended"));
}

/** Whether a member that does not run goes on from there at its next start. */
export function isSuspended(store: Store, name: string): boolean {
  return exists(suspendedPaths(store, name).dir);
}

/** A directory in which a state is made; swept when its maker is gone. */
export function suspendedMaking(store: Store, name: string): SavedPaths {
  const making = savedAt(temporaryOf(suspendedPaths(store, name).dir));
  makeDirectory(making.dir);
  return making;
}

/** Makes a state that is complete last, and visible. */
export async function publishSuspended(store: Store, name: string, making: SavedPaths): Promise<void> {
  for (const path of [making.devices, making.memory]) {
    using file = await Deno.open(path, { write: true });
    await file.sync();
  }
  await Deno.rename(making.dir, suspendedPaths(store, name).dir);
}

/** Takes a state out of sight, for good, because its machine is about to run. */
export async function useUpSuspended(store: Store, name: string): Promise<void> {
  const { dir } = suspendedPaths(store, name);
  const used = temporaryOf(dir);
  await Deno.rename(dir, used);
  void Deno.remove(used, { recursive: true }).catch(() => {}); // else it is swept
}

/** The same for a state that nobody uses; when there is none, nothing happens. */
export async function discardSuspended(store: Store, name: string): Promise<void> {
  await useUpSuspended(store, name).catch((thrown) => {
    if (!(thrown instanceof Deno.errors.NotFound)) throw thrown;
  });
}
