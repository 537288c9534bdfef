/**
 * A console with its times, as asciicast version 3 (docs.asciinema.org): a header, then `[seconds since the line before, "o", text]`.
 * A marker, `"m"`, tells a state.
 */

import { FilePair } from "./file_pair.ts";
import type { TraceFiles } from "./trace_files.ts";

/** What of the end is remembered, to recognise it in what a console repeats. */
const TAIL_BYTES = 512;
/** Less may be the same by chance. */
const SURE_BYTES = 8;

export class CastFile {
  readonly #pair: FilePair;
  #decoder = new TextDecoder();
  #lastMs = 0;
  #tail = new Uint8Array();

  /** @param limit how long one of the two files may become */
  constructor(files: TraceFiles, private readonly member: string, onCut: (file: string) => void, limit?: number) {
    this.#pair = new FilePair(files, member, "cast", onCut, limit);
  }

  /** New output. */
  output(bytes: Uint8Array): void {
    const both = new Uint8Array(this.#tail.length + bytes.length);
    both.set(this.#tail);
    both.set(bytes, this.#tail.length);
    this.#tail = both.slice(-TAIL_BYTES);
    const text = this.#decoder.decode(bytes, { stream: true });
    if (text !== "") this.#line("o", text);
  }

  /** The end of the console's past output, whose beginning may be known. */
  replay(bytes: Uint8Array): void {
    this.output(bytes.subarray(knownOf(bytes, this.#tail)));
  }

  marker(label: string): void {
    this.#line("m", label);
  }

  #line(code: "o" | "m", text: string): void {
    const nowMs = performance.now();
    this.#pair.turnIfFull();
    if (this.#pair.isNew) {
      const date = new Date();
      this.#lastMs = nowMs - date.getMilliseconds();
      this.#append({
        version: 3,
        term: { cols: 80, rows: 25 },
        timestamp: Math.floor(date.valueOf() / 1_000),
        title: `console of ${this.member}`,
      });
    }
    const seconds = Math.round(nowMs - this.#lastMs) / 1_000;
    this.#lastMs = nowMs;
    this.#append([seconds, code, text]);
  }

  #append(value: unknown): void {
    this.#pair.append(JSON.stringify(value) + "\n");
  }
}

/** How much of the beginning of `bytes` has come before, when that ended with `tail`. */
function knownOf(bytes: Uint8Array, tail: Uint8Array): number {
  for (let known = bytes.length; known > 0; known--) {
    const length = Math.min(known, tail.length);
    if (length === 0 || (length < SURE_BYTES && length < bytes.length)) continue;
    let same = 0;
    while (same < length && bytes[known - 1 - same] === tail[tail.length - 1 - same]) same++;
    if (same === length) return known;
  }
  return 0;
}
