/** Consoles: asciicast v3, one JSON array a line after a header. A last line that is not whole is left out. */

import { printable } from "../../core/printable.ts";
import { type Cast, type ConsoleLine, number, record, text } from "./model.ts";

/** Reads a console; undefined: its header cannot be read. */
export function readCast(member: string, content: string): Cast | undefined {
  const end = content.indexOf("\n");
  const header = parse(end < 0 ? content : content.slice(0, end));
  if (header === undefined || Array.isArray(header)) return undefined;
  const term = record(record(header).term);
  const cast: Cast = {
    member,
    columns: clamp(number(term.cols) ?? 80, 20, 400),
    rows: clamp(number(term.rows) ?? 25, 5, 200),
    times: [],
    pieces: [],
  };
  let at = (number(record(header).timestamp) ?? 0) * 1000;
  for (let from = end + 1; end >= 0 && from < content.length;) {
    const next = content.indexOf("\n", from);
    const line = parse(content.slice(from, next < 0 ? undefined : next));
    from = next < 0 ? content.length : next + 1;
    if (!Array.isArray(line)) continue;
    at += (number(line[0]) ?? 0) * 1000;
    if (line[1] !== "o") continue;
    cast.times.push(at);
    cast.pieces.push(text(line[2]));
  }
  return cast;
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

const clamp = (value: number, low: number, high: number) => Math.max(low, Math.min(high, Math.round(value)));

// deno-lint-ignore no-control-regex
const HAS_CONTROLS = /[\x00-\x1f\x7f-\x9f]/;

/** What is left of a line, to read. */
function readable(line: string): string {
  return HAS_CONTROLS.test(line) ? lastOf(printable(line)) : line;
}

/** A console as lines to read: without escape sequences, each with the time of its first character. */
export function linesOf({ member, times, pieces }: Cast): ConsoleLine[] {
  const lines: ConsoleLine[] = [];
  let rest = "", began = 0;
  for (const [index, piece] of pieces.entries()) {
    if (rest === "") began = times[index];
    if (!piece.includes("\n")) {
      rest += piece;
      continue;
    }
    const parts = (rest + piece).split("\n");
    rest = parts.pop()!;
    for (const [place, part] of parts.entries()) {
      const line = readable(part.endsWith("\r") ? part.replace(/\r+$/, "") : part);
      if (line.trim() !== "") lines.push({ at: place === 0 ? began : times[index], member, text: line });
    }
    began = times[index];
  }
  const line = readable(rest);
  if (line.trim() !== "") lines.push({ at: began, member, text: line });
  return lines;
}

/** What a carriage return has left of a line. */
function lastOf(line: string): string {
  return line.slice(line.lastIndexOf("\n", line.length - 2) + 1);
}
