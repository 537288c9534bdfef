/** The faults of a group as notes of a capture: those that there are, that begin and that end. */

import type { FaultKind } from "../../core/faults.ts";
import { faultText } from "../../core/faults/text.ts";
import type { StoredFault } from "../../store/records.ts";

export class FaultNotes {
  /** Those that have ended are kept: a frame may still be told of that one of them has delayed. */
  readonly #kinds = new Map<string, FaultKind>();
  #present = new Map<string, string>();

  kindOf(id: string): string | undefined {
    return this.#kinds.get(id);
  }

  /** What is different from the last time. */
  update(faults: readonly StoredFault[], now: Date): string[] {
    const present = new Map(faults.map(({ id, spec }) => [id, faultText(spec)]));
    for (const { id, spec } of faults) this.#kinds.set(id, spec.kind);
    const began = faults.filter(({ id }) => !this.#present.has(id));
    const ended = [...this.#present].filter(([id]) => !present.has(id));
    this.#present = present;
    return [
      ...ended.map(([id, what]) => `fault ${id} ended at ${now.toISOString()}: ${what}`),
      ...began.map(({ id, since }) => `fault ${id} began at ${since}: ${present.get(id)}`),
    ];
  }
}
