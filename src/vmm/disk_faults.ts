/** The part of the driver contract about disks that fail or are slow. */

import type { DiskFault, DiskOperation } from "../core/faults/disk.ts";

/** One thing that is wrong with a machine's disk: what a guest's request meets, and what comes of it. */
export interface MachineDiskFault extends Omit<DiskFault, "kind" | "member"> {
  /** Lower-case letters and digits, at most 16. What it is does not change. */
  id: string;
  /** For what is by chance. */
  seed: number;
}

/** The guest's requests to its disk since the machine's start, by what they asked. */
export type DiskCounts = Record<DiskOperation, {
  /** All that are answered. */
  requests: number;
  /** Those of them that failed. */
  failed: number;
}>;

/** The part of a machine. */
export interface MachineDisk {
  /**
   * From here on exactly these things are wrong with its disk; a request that fails is not slow. Those that were there before and stay
   * go on, also those of an adopted machine: what was to fail once does not fail once more. A request that fails MUST NOT reach the disk
   * or its log, nor pause the machine. The caller MUST NOT move the disk, save the machine or call this again meanwhile.
   * @throws {FleetboxError} `failed`: what was to begin has not; what was to end may go on. `conflict`: it is being saved.
   */
  setDiskFaults(faults: readonly MachineDiskFault[]): Promise<void>;
  /** What the guest has asked of its disk. MUST NOT answer from memory. @throws {FleetboxError} `failed` */
  diskCounts(): Promise<DiskCounts>;
}
