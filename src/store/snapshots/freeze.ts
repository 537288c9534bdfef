/**
 * Freezing a member's disk: its file becomes a layer, and an empty overlay on it becomes the disk.
 *
 * The order makes a kill between any two steps harmless. The overlay reads the same as the layer, so the config may name either
 * while a machine still writes to the old file; what it writes there is what the overlay reads. The holder then moves
 * the machine, if there is one, to the overlay (`Machine.moveToOverlay`), and calls {@link unlinkFrozen}.
 */

import { namesIn, replaceFile, statIfThere, storeError, syncPath } from "../../system/files.ts";
import { join } from "../../core/paths.ts";
import type { Store } from "../../store.ts";
import type { MemberConfig } from "../config.ts";
import { DISK_FILE, diskNumber, diskOf } from "../disk.ts";
import { linkLayer } from "./layers.ts";
import { withSnapshotLock } from "./lock.ts";
import { newLayerId, snapshotPaths } from "./paths.ts";

/** Makes an empty overlay at a path where there is nothing: `DiskTools.overlay` of the driver's. */
type MakeOverlay = (path: string, base: { disk: string; format: "qcow2" }, sizeMiB: number) => Promise<void>;

/**
 * Freezes a member's disk. The caller holds its lock.
 * @returns its new config, which is written: the first of its layers is the disk as it was.
 * @throws {FleetboxError} nothing has changed then
 */
export async function freezeDisk(store: Store, config: MemberConfig, makeOverlay: MakeOverlay): Promise<MemberConfig> {
  const { dir } = store.member(config.name);
  const frozen: MemberConfig = {
    ...config,
    disk_file: nextDiskFile(namesIn(dir)),
    layers: [newLayerId(), ...config.layers ?? []],
  };
  const base = { disk: snapshotPaths(store).layer(frozen.layers![0]), format: "qcow2" } as const;
  const disk = diskOf(store, frozen);
  return await withSnapshotLock(store, async () => {
    try {
      await linkLayer(store, diskOf(store, config), frozen.layers![0]);
      await replaceFile(disk, async (aside) => {
        await makeOverlay(aside, base, config.disk_mb);
        await syncPath(aside); // before the config that names it
      });
      await store.writeConfig(frozen);
      return frozen;
    } catch (cause) {
      if (!isWritten(store, frozen)) { for (const path of [disk, base.disk]) await Deno.remove(path).catch(() => {}); }
      throw storeError(`Cannot freeze the disk of "${config.name}"`, cause);
    }
  });
}

/** The config may have been written although the writing failed, and then what it names must stay. */
function isWritten(store: Store, { name, disk_file }: MemberConfig): boolean {
  const stored = store.readMember(name);
  return !stored || "damage" in stored || stored.config.disk_file === disk_file;
}

/** A name that no disk has: its number is above all others. Pure. */
export function nextDiskFile(names: readonly string[]): string {
  const numbers = names.filter((name) => DISK_FILE.test(name)).map(diskNumber);
  return `disk-${Math.max(0, ...numbers) + 1}.qcow2`;
}

/**
 * Removes the old names of disks that are layers now. The layers, which are the same files, stay. The caller holds the member's
 * lock, and no machine writes to them any more.
 */
export async function unlinkFrozen(store: Store, config: MemberConfig): Promise<void> {
  const { dir } = store.member(config.name);
  const { layer } = snapshotPaths(store);
  const idOf = (path: string) => {
    const found = statIfThere(path);
    return found && `${found.dev} ${found.ino}`;
  };
  const disk = diskOf(store, config);
  const layers = new Set((config.layers ?? []).map((id) => idOf(layer(id))));
  for (const path of namesIn(dir).filter((name) => DISK_FILE.test(name)).map((name) => join(dir, name))) {
    const id = idOf(path);
    if (path !== disk && id !== undefined && id !== idOf(disk) && layers.has(id)) await Deno.remove(path);
  }
}
