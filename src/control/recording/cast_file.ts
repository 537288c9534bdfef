/**
 * A console with its times, as asciicast version 3 (docs.asciinema.org): a header, then `[seconds since the line before, "o", text]`.
 * A marker, `"m"`, tells a state. What is too long goes on in a new file; the one before is kept as `NAME.1.cast`, an older one
 * is not.
 */

import { isFile } from "../../system/files.ts";
import type { Appender } from "./append_file.ts";

/** How long one of the two files may become. */
export const CAST_BYTES = 2 * 1024 * 1024;
/** What of the end is remembered, to recognise it in what a console repeats. */
const TAIL_BYTES = 512;
/** Less may be the same by chance. */
const SURE_BYTES = 8;

export class CastFile {
  #decoder = new TextDecoder();
  #bytes = 0;
  #lastMs = 0;
  #tail = new Uint8Array();

  constructor(
    private readonly files: Appender,
    private readonly directory: string,
    private readonly member: string,
    private readonly onCut: (file: string) => void,
    private readonly limit = CAST_BYTES,
  ) {}

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
    if (this.#bytes > this.limit) this.#turn();
    if (this.#bytes === 0) {
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

  #turn(): void {
    const [present, before] = [`${this.member}.cast`, `${this.member}.1.cast`];
    this.files.close(present);
    this.#bytes = 0;
    try {
      const isThird = isFile(`${this.directory}/${before}`);
      Deno.renameSync(`${this.directory}/${present}`, `${this.directory}/${before}`);
      if (isThird) this.onCut(present);
    } catch { /* it goes on in the same file */ }
  }

  #append(value: unknown): void {
    const line = new TextEncoder().encode(JSON.stringify(value) + "\n");
    this.#bytes += line.length;
    this.files.append(`${this.member}.cast`, line);
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
