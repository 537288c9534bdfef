/** Consoles: asciicast v3, one JSON array a line after a header. A last line that is not whole is left out. */

import { printable } from "../../core/printable.ts";
import { type Cast, type ConsoleLine, number, record, text } from "./model.ts";

/** Reads a console; undefined: its header cannot be read. Where a ring has turned a header follows once more. */
export function readCast(member: string, content: string): Cast | undefined {
  let cast: Cast | undefined, at = 0;
  for (let from = 0; from < content.length;) {
    const next = content.indexOf("\n", from);
    const line = parse(content.slice(from, next < 0 ? undefined : next));
    from = next < 0 ? content.length : next + 1;
    if (!Array.isArray(line)) {
      const header = record(line);
      if (header.version === undefined) continue;
      cast ??= castOf(member, record(header.term));
      at = (number(header.timestamp) ?? 0) * 1000;
      continue;
    }
    if (!cast) return undefined;
    at += (number(line[0]) ?? 0) * 1000;
    if (line[1] !== "o") continue;
    cast.times.push(at);
    cast.pieces.push(text(line[2]));
  }
  return cast;
}

function castOf(member: string, { cols, rows }: Record<string, unknown>): Cast {
  const size = { columns: clamp(number(cols) ?? 80, 20, 400), rows: clamp(number(rows) ?? 25, 5, 200) };
  return { member, ...size, times: [], pieces: [] };
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
