/** Consoles: asciicast v3, one JSON array a line after a header. A last line that is not whole is left out. */

import { printable } from "../../core/printable.ts";
import { type Cast, type ConsoleLine, number, record, text } from "./model.ts";

/** Reads a console; undefined: its header cannot be read. */
export function readCast(member: string, content: string): Cast | undefined {
  const reader = new CastReader(member);
  reader.add(content);
  return reader.cast;
}

/** Reads a console that grows, by whole lines. Where a ring has turned a header follows once more. */
export class CastReader {
  /** Undefined: its header has not come yet. */
  cast: Cast | undefined;
  #at = 0;

  constructor(private readonly member: string) {}

  add(content: string): void {
    for (let from = 0; from < content.length;) {
      const next = content.indexOf("\n", from);
      const line = parse(content.slice(from, next < 0 ? undefined : next));
      from = next < 0 ? content.length : next + 1;
      if (!Array.isArray(line)) {
        const header = record(line);
        if (header.version === undefined) continue;
        this.cast ??= castOf(this.member, record(header.term));
        this.#at = (number(header.timestamp) ?? 0) * 1000;
        continue;
      }
      this.#at += (number(line[0]) ?? 0) * 1000;
      if (line[1] !== "o" || !this.cast) continue;
      this.cast.times.push(this.#at);
      this.cast.pieces.push(text(line[2]));
    }
  }
}

function castOf(member: string, { cols, rows }: Record<string, unknown>): Cast {
  const size = { columns: clamp(number(cols) ?? 80, 20, 400), rows: clamp(number(rows) ?? 25, 5, 200) };
  return { member, ...size, times: [], pieces: [], gone: 0 };
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
  const reader = new LineReader(member);
  const lines = pieces.flatMap((piece, index) => reader.add(times[index], piece));
  return [...lines, ...reader.end()];
}

/** A line that does not end is cut: a guest may draw a bar of progress for hours. */
const MOST_REST = 1024 * 1024;

/** Makes lines of a console that grows. */
export class LineReader {
  #rest = "";
  #began = 0;

  constructor(private readonly member: string) {}

  /** The lines that end in a piece. */
  add(at: number, piece: string): ConsoleLine[] {
    if (this.#rest === "") this.#began = at;
    if (!piece.includes("\n")) {
      this.#rest = (this.#rest + piece).slice(-MOST_REST);
      return [];
    }
    const parts = (this.#rest + piece).split("\n");
    this.#rest = parts.pop()!;
    const lines = parts.flatMap((part, place) =>
      this.#line(place === 0 ? this.#began : at, part.endsWith("\r") ? part.replace(/\r+$/, "") : part)
    );
    this.#began = at;
    return lines;
  }

  /** The last line, which has no end. */
  end(): ConsoleLine[] {
    return this.#line(this.#began, this.#rest);
  }

  #line(at: number, said: string): ConsoleLine[] {
    const line = readable(said);
    return line.trim() === "" ? [] : [{ at, member: this.member, text: line }];
  }
}

/** What a carriage return has left of a line. */
function lastOf(line: string): string {
  return line.slice(line.lastIndexOf("\n", line.length - 2) + 1);
}
