/**
 * The files of a trace in memory, for a view of a group as it runs: smaller rings, a listener that is told of each change, and
 * all that there is now for the next page.
 */

import { isOfKind, kindsInLines } from "../../core/trace/event_kind.ts";
import type { TraceFiles, TraceLimits } from "./trace_files.ts";

/** What has changed, or how a file comes to be what it is. */
export type FileChange =
  | { name: string; what: "replaced"; text: string }
  | { name: string; what: "appended"; bytes: Uint8Array }
  | { name: string; what: "removed" }
  | { name: string; what: "renamed"; to: string };

/** All events are taken, and the oldest are let go of: a live view shows what happens now. */
const MEMORY_LIMITS: TraceLimits = {
  packetBytes: 8 * 1024 * 1024,
  castBytes: 512 * 1024,
  eventBytes: Infinity,
};
const EVENTS = "events.ndjson";
const EVENT_BYTES = 4 * 1024 * 1024;
/** What is many, and tells the least later. */
const LINK = kindsInLines(["link"]);

interface MemoryFile {
  pieces: Uint8Array[];
  bytes: number;
}

export class MemoryFiles implements TraceFiles {
  readonly limits = MEMORY_LIMITS;
  onFailure = () => {};
  readonly #files = new Map<string, MemoryFile>();
  #meta = "";

  /** @param onChange is told of each change, at once */
  constructor(
    private readonly onChange: (change: FileChange) => void = () => {},
    private readonly eventBytes = EVENT_BYTES,
  ) {}

  /** What there is now, as the changes that make it. Their bytes do not change any more. */
  all(): FileChange[] {
    return [
      ...this.#meta === "" ? [] : [{ name: "meta.json", what: "replaced" as const, text: this.#meta }],
      ...[...this.#files].flatMap(([name, { pieces }]) =>
        pieces.map((bytes) => ({ name, what: "appended" as const, bytes }))
      ),
    ];
  }

  append(name: string, bytes: Uint8Array): void {
    const file = this.#files.get(name) ?? { pieces: [], bytes: 0 };
    this.#files.set(name, file);
    file.pieces.push(bytes);
    file.bytes += bytes.length;
    if (name === EVENTS && file.bytes > this.eventBytes) this.#thin(file);
    this.onChange({ name, what: "appended", bytes });
  }

  close(): void {}

  remove(name: string): number | undefined {
    const file = this.#files.get(name);
    if (!file) return undefined;
    this.#files.delete(name);
    this.onChange({ name, what: "removed" });
    return file.bytes;
  }

  rename(from: string, to: string): boolean {
    const file = this.#files.get(from);
    if (!file) return false;
    const isReplaced = this.#files.delete(to);
    this.#files.delete(from);
    this.#files.set(to, file);
    this.onChange({ name: from, what: "renamed", to });
    return isReplaced;
  }

  writeMeta(text: string): Promise<void> {
    this.#meta = text;
    this.onChange({ name: "meta.json", what: "replaced", text });
    return Promise.resolve();
  }

  [Symbol.dispose](): void {}

  /** Lets go of a half: of what passed on links, and if that is not enough, of the oldest. */
  #thin(file: MemoryFile): void {
    const size = (pieces: readonly Uint8Array[]) => pieces.reduce((sum, piece) => sum + piece.length, 0);
    let middle = 0;
    for (let bytes = 0; bytes < file.bytes / 2; middle++) bytes += file.pieces[middle].length;
    const newer = file.pieces.slice(middle);
    const older = file.pieces.slice(0, middle).filter((piece) => !isOfKind(LINK, piece));
    const isEnough = size(older) <= file.bytes / 4;
    file.pieces = isEnough ? [...older, ...newer] : newer;
    file.bytes = size(file.pieces);
  }
}
