/** What a fault table needs of a member, and what makes one kind of fault on its machine. */

import type { MachineFault, MachineFaultKind } from "../../../core/faults.ts";

/** A fault of a machine, for what makes it. */
export interface MachineFaultEntry<Spec extends MachineFault = MachineFault> {
  id: string;
  spec: Spec;
  seed: number;
}

/** A member, for the table. */
export interface FaultyMember {
  readonly name: string;
  /** Whether its machine is there, in any state: faults of one that is gone have ended with it. */
  readonly hasMachine: boolean;
  /** Whether its guest cannot answer, because its virtual CPUs stand still. */
  readonly standsStill: boolean;
  /**
   * Makes it be under exactly these faults of a kind: it is called when one begins, when one ends, and with the present ones for a
   * machine that was adopted. One call at a time for each kind.
   * @param isAdopted its machine was just adopted, and is under these already, as far as they outlive a holder
   * @throws {FleetboxError} why that cannot be; then it is as it was before
   */
  apply(kind: MachineFaultKind, faults: readonly MachineFaultEntry[], isAdopted?: boolean): Promise<void>;
  /** What made these is gone: there is nothing to undo. */
  forget(kind: MachineFaultKind): void;
  /** What a fault has done so far. */
  counts(kind: MachineFaultKind, id: string): Promise<Record<string, number>>;
}

/** One kind, on one machine. */
export interface FaultMaker<Spec extends MachineFault = MachineFault> {
  /**
   * Makes the machine be under exactly these faults, whatever it was under before: one began, one ended, or an earlier holder made
   * them. Without any it is as it was before the first one.
   * @throws {FleetboxError} why that cannot be; then it is as it was before the call
   */
  apply(faults: readonly MachineFaultEntry<Spec>[], isAdopted?: boolean): Promise<void>;
  /** What made them is gone: there is nothing to undo. @default nothing is to be done */
  forget?(): void;
  /** What a fault has done so far. @default nothing is told */
  counts?(id: string): Promise<Record<string, number>>;
}
