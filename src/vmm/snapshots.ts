/** The part of the driver contract about saved machines: their files, and how they are saved. */

/**
 * The files of a saved machine. They hold all that its memory holds, secrets too. The caller chooses their directory, which
 * MUST be of this user alone, makes it last (by syncing what is in it, once the machine goes on) and visible (by renaming it), and removes it.
 */
export interface SnapshotFiles {
  /** The state of its CPUs and devices. */
  devices: string;
  /** Its memory, as long as the machine's; what was never used are holes. */
  memory: string;
  /** Where the driver may have a socket meanwhile: short enough for one, in a directory of this user alone. */
  socket: string;
}

/** How a machine is saved. */
export interface SaveOptions {
  signal?: AbortSignal;
  /**
   * The machine's disk from then on: as by {@link Machine.moveToOverlay}, at the same time as the memory is copied. A save that
   * fails MAY leave the machine on either disk. @default the one that it has
   */
  disk?: string;
  /** Where the writes to that disk are logged, as by {@link Machine.moveToOverlay}. */
  writeLog?: string;
}

/** A saved machine to start from. */
export interface SavedMachine extends SnapshotFiles {
  /** Whether the machine stays paused until {@link Machine.resume}. @default false: it runs */
  paused?: boolean;
}

/** Whether machines can be saved here. */
export type SnapshotSupport =
  /** `facts`: all of the hypervisor and the host that a restore must find equal, as a text to compare. */
  | { kind: "available"; facts: string }
  /** `reason`: a sentence for people. */
  | { kind: "unavailable"; reason: string };
