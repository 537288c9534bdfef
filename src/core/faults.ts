/** What a fault is, as it is asked for: on the command line, in the library, in a plan, on the wire; and its check. */

import { LINK_CHECKS, type LinkFault } from "./faults/links.ts";
import { MACHINE_CHECKS, type MachineFault, type MachineFaultKind } from "./faults/machines.ts";
import { bad, MAX_MS, numberIn, record, whole } from "./faults/values.ts";

export { GATEWAY } from "./faults/gateway_name.ts";
export { DISTRIBUTIONS, type LinkShape, PARTITION_SHAPES, type PartitionShape } from "./faults/links.ts";
export type { MachineFault, MachineFaultKind };

export type FaultSpec = LinkFault | MachineFault;
export type FaultKind = FaultSpec["kind"];

/** How a fault is made, besides what it is. */
export interface FaultWish {
  spec: FaultSpec;
  /** When it ends by itself, in milliseconds from now. @default it lasts until it is healed */
  forMs?: number;
  /** From which its random numbers come, 0 to 2^32 - 1. @default a random one */
  seed?: number;
}

const CHECKS: Record<FaultKind, (spec: Record<string, unknown>) => void> = { ...LINK_CHECKS, ...MACHINE_CHECKS };

/** All of them. */
export const FAULT_KINDS = Object.keys(CHECKS) as readonly FaultKind[];

/** Whether a fault is one of a machine, and not of the network. */
export function isOfMachine(spec: FaultSpec): spec is MachineFault {
  return Object.hasOwn(MACHINE_CHECKS, spec.kind);
}

/** The names that a fault is asked for. */
export function namesOfFault(spec: FaultSpec): string[] {
  switch (spec.kind) {
    case "partition":
      return [...spec.sets?.flat() ?? [], ...spec.of ?? []];
    case "hold":
    case "flap":
      return spec.sets.flat();
    case "drop":
    case "shape":
      return [...spec.from ?? [], ...spec.to ?? []];
    default:
      return [spec.member];
  }
}

/** The same fault of members with other names. */
export function renamedFault(spec: FaultSpec, renamed: (name: string) => string): FaultSpec {
  const all = (names: readonly string[]) => names.map(renamed);
  switch (spec.kind) {
    case "partition":
      return { ...spec, ...(spec.sets && { sets: spec.sets.map(all) }), ...(spec.of && { of: all(spec.of) }) };
    case "hold":
    case "flap":
      return { ...spec, sets: spec.sets.map(all) };
    case "drop":
    case "shape":
      return { ...spec, ...(spec.from && { from: all(spec.from) }), ...(spec.to && { to: all(spec.to) }) };
    default:
      return { ...spec, member: renamed(spec.member) };
  }
}

/**
 * Checks a fault from outside: its form, not whether its members are there.
 * @throws {FleetboxError} `misuse`
 */
export function checkFault(value: unknown): FaultSpec {
  const spec = record(value, "a fault");
  const kind = spec.kind as FaultKind;
  if (typeof kind !== "string" || !Object.hasOwn(CHECKS, kind)) {
    bad("kind", kind, `one of ${FAULT_KINDS.join(", ")}`);
  }
  CHECKS[kind](spec);
  return spec as unknown as FaultSpec;
}

/** @throws {FleetboxError} `misuse` */
export function checkFaultTimes({ forMs, seed }: { forMs?: unknown; seed?: unknown }): void {
  if (forMs !== undefined) numberIn("for", forMs, 1, MAX_MS);
  if (seed !== undefined) whole("seed", seed, 0, 2 ** 32 - 1);
}
