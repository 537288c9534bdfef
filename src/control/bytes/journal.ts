/** The journal of a member's guest, through its holder: entries, as they come. */

import { LineSplitter } from "../../core/lines.ts";
import { FleetboxError } from "../../core/errors.ts";
import type { Store } from "../../store.ts";
import type { FieldsOf, JournalEntry } from "../../wire.ts";
import { openBytes } from "./byte_stream.ts";

const MAX_LINE = 1024 * 1024;

export interface JournalStream extends Disposable {
  /** The next entries; undefined: these were all, or its machine or holder has ended. */
  read(): Promise<JournalEntry[] | undefined>;
}

/**
 * Reads a journal. Undefined when no holder serves the member.
 * @param signal ends it
 * @throws {FleetboxError} `conflict`: it does not run; `unavailable`: it has no journal; `failed`; `protocol`: its holder is of an earlier version
 */
export async function openJournal(
  store: Store,
  name: string,
  wish: FieldsOf<"journal">,
  signal?: AbortSignal,
): Promise<JournalStream | undefined> {
  const opened = await openBytes(store, name, "journal", wish, signal);
  if (!opened) return undefined;
  const { stream } = opened;
  const decoder = new TextDecoder();
  const lines = new LineSplitter({ max: MAX_LINE, who: `The holder of "${name}"` });
  return {
    async read() {
      const piece = await stream.read();
      return piece && [...lines.push(decoder.decode(piece, { stream: true }))].map((line) => entryOf(line, name));
    },
    [Symbol.dispose]: () => stream[Symbol.dispose](),
  };
}

function entryOf(line: string, name: string): JournalEntry {
  try {
    return JSON.parse(line) as JournalEntry;
  } catch (cause) {
    throw new FleetboxError("protocol", `The holder of "${name}" sent a malformed journal`, { cause });
  }
}

/** An entry as a line to read: `2026-11-28T22:55:01.123Z sshd[411]: text`, further lines of the text indented. */
export function journalLine({ at, name, pid, text }: JournalEntry): string {
  return `${at} ${name}${pid === undefined ? "" : `[${pid}]`}: ${text.replaceAll("\n", "\n    ")}\n`;
}
