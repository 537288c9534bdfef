/**
 * What is written of one member, in a ring of two files: what is too long goes on in a new one; the one before is kept as
 * `NAME.1.KIND`, an older one is not.
 */

import type { TraceFiles } from "./trace_files.ts";

export class FilePair {
  #bytes = 0;

  constructor(
    private readonly files: TraceFiles,
    private readonly member: string,
    private readonly kind: "cast" | "journal",
    private readonly onCut: (file: string) => void,
    /** How long one of the two may become. */
    private readonly limit = files.limits.castBytes,
  ) {}

  /** Whether nothing is in the present file. */
  get isNew(): boolean {
    return this.#bytes === 0;
  }

  /** Begins a new file if the present one is too long. */
  turnIfFull(): void {
    if (this.#bytes <= this.limit) return;
    const present = `${this.member}.${this.kind}`;
    this.#bytes = 0;
    if (this.files.rename(present, `${this.member}.1.${this.kind}`)) this.onCut(present);
  }

  append(text: string): void {
    const bytes = new TextEncoder().encode(text);
    this.#bytes += bytes.length;
    this.files.append(`${this.member}.${this.kind}`, bytes);
  }
}
