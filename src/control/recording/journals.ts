/** The journals of a trace: `<member>.journal`, an entry a line as journalctl prints it, with the host's times. */

import { pause } from "../../core/deadline.ts";
import { FleetboxError } from "../../core/errors.ts";
import type { Store } from "../../store.ts";
import type { JournalEntry } from "../../wire.ts";
import { journalLine, openJournal } from "../bytes/journal.ts";
import { FilePair } from "./file_pair.ts";
import type { TraceFiles } from "./trace_files.ts";

/** A guest that is not reached is tried again after this time, then after twice as much, … */
const FIRST_AGAIN_MS = 500;
const LAST_AGAIN_MS = 60_000;

export class JournalFile {
  readonly #pair: FilePair;
  /** The last entry that was written. */
  cursor: string | undefined;

  /** @param limit how long one of the two files may become */
  constructor(files: TraceFiles, member: string, onCut: (file: string) => void, limit?: number) {
    this.#pair = new FilePair(files, member, "journal", onCut, limit);
  }

  add(entries: readonly JournalEntry[]): void {
    for (const entry of entries) {
      this.#pair.turnIfFull();
      this.#pair.append(journalLine(entry));
      this.cursor = entry.cursor;
    }
  }
}

/**
 * Writes the journal of a member that runs, until it does not any more, or has none.
 * @param isWanted false: it has stopped since; when it runs again, it is read anew
 */
export async function recordJournal(
  store: Store,
  name: string,
  file: JournalFile,
  isWanted: () => boolean,
  signal: AbortSignal,
): Promise<void> {
  for (let againMs = FIRST_AGAIN_MS; isWanted() && !signal.aborted; againMs = Math.min(againMs * 2, LAST_AGAIN_MS)) {
    try {
      const { cursor: after } = file;
      const wish = { follow: true, ...after === undefined ? {} : { after } };
      using stream = await openJournal(store, name, wish, signal);
      if (!stream) return;
      for (let entries; (entries = await stream.read()) !== undefined; againMs = FIRST_AGAIN_MS) file.add(entries);
    } catch (thrown) {
      const code = thrown instanceof FleetboxError ? thrown.code : undefined;
      if (code === "unavailable" || code === "conflict" || code === "not-found" || code === "protocol") return;
    }
    await pause(againMs, signal);
  }
}
