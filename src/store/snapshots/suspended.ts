/**
 * The suspended state of a member, in its directory beside the disk to which it belongs: `suspended/devices`, `suspended/memory`.
 * A member that is made from a checkpoint has one from the beginning: the checkpoint's files, by another name.
 *
 * It is used once. It is out of sight before its machine runs, for the disk changes then, and the two would not fit any more.
 * So while it is in sight, its machine has not run since, and may be ended at any moment: nothing is lost.
 */

import { join } from "../../core/paths.ts";
import { exists, makeDirectory, statIfThere, syncPath, temporaryOf } from "../../system/files.ts";
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
  for (const path of [making.devices, making.memory]) await syncPath(path);
  await makeVisible(store, name, making);
}

/** Makes a member's state the same as a saved one: its files get one more name. The caller holds its lock. */
export async function linkSuspended(store: Store, name: string, saved: SavedPaths): Promise<void> {
  await discardSuspended(store, name);
  const making = suspendedMaking(store, name);
  for (const file of ["devices", "memory"] as const) await Deno.link(saved[file], making[file]);
  await makeVisible(store, name, making);
}

/** Whether a member's state is a saved one's by another name: it has not run since it was made from that. */
export function isLinkOf(store: Store, name: string, saved: SavedPaths): boolean {
  const [its, other] = [suspendedPaths(store, name), saved].map(({ memory }) => statIfThere(memory));
  return its !== undefined && its.ino === other?.ino && its.dev === other.dev;
}

async function makeVisible(store: Store, name: string, making: SavedPaths): Promise<void> {
  await syncPath(making.dir);
  await Deno.rename(making.dir, suspendedPaths(store, name).dir);
  await syncPath(store.member(name).dir);
}

/** Takes a state out of sight, for good, because its machine is about to run: also if the host loses its power then. */
export async function useUpSuspended(store: Store, name: string): Promise<void> {
  const { dir } = suspendedPaths(store, name);
  const used = temporaryOf(dir);
  await Deno.rename(dir, used);
  await syncPath(store.member(name).dir);
  void Deno.remove(used, { recursive: true }).catch(() => {}); // else it is swept
}

/** The same for a state that nobody uses; when there is none, nothing happens. */
export async function discardSuspended(store: Store, name: string): Promise<void> {
  await useUpSuspended(store, name).catch((thrown) => {
    if (!(thrown instanceof Deno.errors.NotFound)) throw thrown;
  });
}
