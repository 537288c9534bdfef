/**
 * The faults that an earlier holder has made on machines, until this one has adopted them: those that end before are undone then, because
 * nobody could tell the machine. So are those that are just beginning, if their holder is killed: nobody was told of them.
 */

import { isOfMachine, type MachineFault } from "../../core/faults.ts";
import type { StoredFault } from "../../store/records.ts";

type OfMachine = StoredFault & { spec: MachineFault };

export class UnsettledFaults {
  readonly #faults = new Map<string, OfMachine>();

  add(faults: readonly StoredFault[]): void {
    const isOne = (fault: StoredFault): fault is OfMachine => isOfMachine(fault.spec);
    for (const fault of faults.filter(isOne)) this.#faults.set(fault.id, fault);
  }

  of(name: string): OfMachine[] {
    return [...this.#faults.values()].filter(({ spec }) => spec.member === name);
  }

  delete(faults: readonly { id: string }[]): void {
    for (const { id } of faults) this.#faults.delete(id);
  }

  /** The machines of all others are gone. */
  keep(members: ReadonlySet<string>): void {
    this.delete([...this.#faults.values()].filter(({ spec }) => !members.has(spec.member)));
  }

  /** For the group's record, beside the present ones: those that have ended, or may never have begun. */
  ended(isPresent: (id: string) => boolean): StoredFault[] {
    return [...this.#faults.values()].filter(({ id }) => !isPresent(id))
      .map((fault) => ({ ...fault, ends_at: fault.began_at }));
  }
}
