/**
 * The file of a member's disk. It is `disk.qcow2` until the disk is frozen as a layer (`snapshots.ts`): then a new file, empty
 * and on top of that layer, is the disk, and the config names it.
 */

import { namesIn } from "../system/files.ts";
import { join } from "../core/paths.ts";
import type { MemberConfig, Store } from "../store.ts";

/** Every name that a disk's file may have. */
export const DISK_FILE = /^disk(-[1-9][0-9]{0,5})?\.qcow2$/;

const LOG_SUFFIX = ".writes";

/** The number in the name of a disk's file: 0 for `disk.qcow2`, or when the config names none. Later disks have higher ones. */
export function diskNumber(name = ""): number {
  return Number(/^disk-(\d+)/.exec(name)?.[1] ?? 0);
}

/** The disk of a member that has a config; without one, its `disk.qcow2`. */
export function diskOf(store: Store, config: Pick<MemberConfig, "name" | "disk_file">): string {
  const { dir, disk } = store.member(config.name);
  return config.disk_file === undefined ? disk : join(dir, config.disk_file);
}

/**
 * Where the writes to a member's disk are logged, by the disk's own name: so a log is never taken for that of another disk. It begins
 * with the disk's being an empty overlay on the first of the member's layers.
 */
export function writeLogOf(store: Store, config: Pick<MemberConfig, "name" | "disk_file">): string {
  return diskOf(store, config).replace(/\.qcow2$/, LOG_SUFFIX);
}

/** Whether this is the name of such a log. */
export function isWriteLog(name: string): boolean {
  return name.endsWith(LOG_SUFFIX) && DISK_FILE.test(`${name.slice(0, -LOG_SUFFIX.length)}.qcow2`);
}

/** Whether a directory has a file with the name of a disk, a present or an earlier one. */
export function hasDisk(dir: string): boolean {
  return namesIn(dir).some((name) => DISK_FILE.test(name));
}
