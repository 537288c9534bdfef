/** The part of the driver contract about disks: the files that its machines start from, and how they are made. */

import type { Loss, LostWrites } from "../core/power_cut.ts";

/** A further volume. */
export interface Volume {
  path: string;
  readOnly: boolean;
  format: "raw" | "qcow2";
}

/** A program, and the command that installs it. */
export interface Program {
  program: string;
  install: string;
}

/** The disks that a driver's machines start from. Each makes a file at a path where there is none. */
export interface DiskTools {
  /** What they are made with. */
  readonly programs: readonly Program[];
  /** A qcow2 overlay: empty, sparse, everything else comes from `base`. @throws {FleetboxError} `unavailable`, `failed` */
  overlay(path: string, base: { disk: string; format: Volume["format"] }, sizeMiB: number): Promise<void>;
  /** Gives a qcow2 disk that no machine has open a larger virtual size. @throws {FleetboxError} `unavailable`, `failed` */
  grow(path: string, sizeMiB: number): Promise<void>;
  /**
   * A disk as a power cut leaves it: an overlay on the disk as it was when a machine's log of writes began, with what survives of
   * the log. Not synced.
   * @throws {FleetboxError} `damaged`: the log is not whole; `unavailable`, `failed`. A part of the disk is there then.
   */
  rebuild(
    path: string,
    base: { disk: string; format: Volume["format"] },
    sizeMiB: number,
    from: { log: string; loss: Loss },
  ): Promise<LostWrites>;
  /**
   * Gives an overlay another base, and all in which it differs from that; it reads as before. It may be killed at any moment.
   * @throws {FleetboxError} `unavailable`, `failed`: then its base is what it was
   */
  merge(path: string, base: { disk: string; format: Volume["format"] }): Promise<void>;
  /** A qcow2 disk of its own with the content of another disk. @throws {FleetboxError} `unavailable`, `failed`; the signal's reason */
  convert(from: { disk: string; format: Volume["format"] }, path: string, signal?: AbortSignal): Promise<void>;
  /** A raw FAT volume with the files of a directory. @throws {FleetboxError} `unavailable`, `failed` */
  fatVolume(directory: string, label: string, path: string): Promise<void>;
}
