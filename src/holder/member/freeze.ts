/**
 * Freezing a member's disk, so that it can be a part of a snapshot: its file becomes a layer that never changes again, and the
 * machine goes on with an empty overlay on it.
 *
 *   1. `prepareFreeze(member)`            while the machine runs: it takes some ten milliseconds
 *   2. `machine.pause()`
 *   3. `machine.save(files, { disk: frozen.next, writeLog: frozen.nextLog })`    then `machine.resume()`
 *   4. `removeOldDisks(store, name)`      at any time later; the next `prepareFreeze` does it, too
 *
 * The layer is the disk at the moment of 3, so the machine is paused before, and runs again after it was saved: a memory
 * that has seen a later disk does not fit. A failure or a kill after 1 loses nothing: the config names an empty overlay on
 * what the machine still writes to. The holder that adopts the machine moves it there (`left_behind.ts`), and so does the
 * next freeze.
 */

import { FleetboxError } from "../../core/errors.ts";
import type { MemberConfig, Store } from "../../store.ts";
import { diskOf } from "../../store/disk.ts";
import { removeOldWriteLogs, removeUnnamedDisks } from "../../store/remove.ts";
import { freezeDisk, unlinkFrozen } from "../../store/snapshots.ts";
import { exists } from "../../system/files.ts";
import type { Driver } from "../../vmm/contract.ts";
import { makeLog } from "../power_cut/write_log.ts";

/** What is frozen: a {@link Member}. */
interface FreezingMember {
  readonly name: string;
  config: MemberConfig | undefined;
  readonly context: { readonly store: Store; readonly driver: Pick<Driver, "disks"> };
}

/** A disk that is a layer as soon as the machine writes to another one. */
export interface FrozenDisk {
  /** The layer's id. */
  layer: string;
  /** The disk that the machine has from then on. */
  next: string;
  /** Where its writes to that are logged, if they are. */
  nextLog?: string;
  /** The file that it has until then: the layer's other name. */
  old: string;
}

/**
 * Makes a member's disk a layer, and the disk of its config an empty overlay on it.
 * @throws {FleetboxError} nothing has changed then
 */
export async function prepareFreeze(member: FreezingMember): Promise<FrozenDisk> {
  const { name, context: { store, driver } } = member;
  return await store.withMemberLock(name, async () => {
    const config = store.config(name);
    if (!config) throw new FleetboxError("not-found", `Cannot freeze the disk of "${name}": it has no config`);
    await unlinkFrozen(store, config);
    removeUnnamedDisks(store, config);
    const frozen = await freezeDisk(store, config, driver.disks.overlay);
    const { disk_file, layers } = frozen;
    if (member.config) member.config = { ...member.config, disk_file, layers };
    const nextLog = makeLog(store, frozen);
    return { layer: layers![0], next: diskOf(store, frozen), nextLog, old: diskOf(store, config) };
  });
}

/** Removes the files in a member's directory that are layers now, by their other names. */
export async function removeOldDisks(store: Store, name: string): Promise<void> {
  if (!exists(store.member(name).dir)) return; // its lock would make it again
  await store.withMemberLock(name, async () => {
    const config = store.config(name);
    if (!config) return;
    await unlinkFrozen(store, config);
    removeOldWriteLogs(store, config);
  });
}
