/** Journals of guests: an entry a line, `2026-11-28T22:55:01.123Z sshd[411]: text`; further lines of an entry are indented. */

import { printable } from "../../core/printable.ts";
import type { ConsoleLine } from "./model.ts";

/** A journal's file, with its member; `a.1.journal` is the older part of a ring. */
export const JOURNAL = /^(.+?)(?:\.1)?\.journal$/;

const ENTRY = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (.*)$/;

/** The lines of a journal. What has no time belongs to the entry before. */
export function journalLines(member: string, content: string): ConsoleLine[] {
  let at = NaN;
  return content.split("\n").flatMap((line): ConsoleLine[] => {
    const [, time, said] = ENTRY.exec(line) ?? [];
    if (time !== undefined) at = Date.parse(time);
    const text = printable(said ?? line);
    return Number.isNaN(at) || text.trim() === "" ? [] : [{ at, member, text, isJournal: true }];
  });
}
