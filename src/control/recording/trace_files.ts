/** Where a recorder writes: files of a directory (`append_file.ts`), or the memory of a program that shows them (`memory_files.ts`). */

/** How much is kept of what is many. */
export interface TraceLimits {
  /** Of frames, all segments together. */
  packetBytes: number;
  /** Of each of the two parts of a console. */
  castBytes: number;
  /** Of events, until only what is important is taken. */
  eventBytes: number;
}

/** The files of one trace. Each is only ever appended to. */
export interface TraceFiles extends Disposable {
  readonly limits: TraceLimits;
  /** Called when nothing can be written any more. */
  onFailure: (failure: unknown) => void;
  /** Appends to a file, whole lines or whole blocks; it is made if it is new. */
  append(name: string, bytes: Uint8Array): void;
  /** Ends a file, which may be moved or removed then. */
  close(name: string): void;
  /** Ends and removes a file. @returns how long it was; undefined: it was never written */
  remove(name: string): number | undefined;
  /** Ends a file, which has another name from then on. @returns whether one of that name is lost by it */
  rename(from: string, to: string): boolean;
  /** Replaces `meta.json`. */
  writeMeta(text: string): Promise<void>;
}

export const DISK_LIMITS: TraceLimits = {
  packetBytes: 32 * 1024 * 1024,
  castBytes: 2 * 1024 * 1024,
  eventBytes: 8 * 1024 * 1024,
};
