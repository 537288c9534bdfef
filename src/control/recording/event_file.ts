/** The events of a trace, a line each. Beyond its limit a file takes what explains a failure, and no more of what is many. */

import type { TraceEvent } from "../../core/trace/types.ts";
import type { TraceFiles } from "./trace_files.ts";

/** An event without its time. */
export type Happening = TraceEvent extends infer E ? E extends TraceEvent ? Omit<E, "at"> : never : never;

/** These are few, or are the reason for the others. */
const FEW: readonly TraceEvent["event"][] = [
  ...[
    "state",
    "fault-began",
    "fault-ended",
    "checkpoint",
    "suspend",
    "holder",
    "mark",
    "test-began",
    "test-ended",
    "cut",
  ] as const,
];

export class EventFile {
  #bytes = 0;
  #isCut = false;

  constructor(
    private readonly files: TraceFiles,
    private readonly name: string,
    private readonly named: (text: string) => string = (text) => text,
    /** How long it may become before it takes less, and how much longer with that. */
    private readonly limit = files.limits.eventBytes,
  ) {}

  add(happening: Happening, at = new Date()): void {
    const isFew = FEW.includes(happening.event);
    if (this.#bytes > (isFew ? 2 * this.limit : this.limit)) {
      if (!this.#isCut) this.#write({ event: "cut", file: this.name, why: "ring" }, at);
      this.#isCut = true;
      return;
    }
    this.#write(happening, at);
  }

  #write({ event, ...rest }: Happening, at: Date): void {
    const line = new TextEncoder().encode(this.named(JSON.stringify({ at: at.toISOString(), event, ...rest })) + "\n");
    this.#bytes += line.length;
    this.files.append(this.name, line);
  }
}
