/** Faults of machines, as they are asked for, and their checks. Each is of one member. */

import { checkCpu, type CpuFault } from "./cpu.ts";
import { checkClock, type ClockFault } from "./clock.ts";
import { checkDiskFault, type DiskFault } from "./disk.ts";
import { checkFill, type FillFault } from "./fill.ts";
import { checkMemory, type MemoryFault } from "./memory.ts";
import { member, only } from "./values.ts";

/** The virtual CPUs of a member stand still. */
export interface PauseFault {
  kind: "pause";
  member: string;
}

export type MachineFault = PauseFault | CpuFault | ClockFault | DiskFault | MemoryFault | FillFault;
export type MachineFaultKind = MachineFault["kind"];

type WithoutMember<Fault> = Fault extends MachineFault ? Omit<Fault, "member"> : never;

/** A fault of a machine, without whose it is. */
export type MachineFaultWish = WithoutMember<MachineFault>;

/** The fault of a member. */
export function faultOf(member: string, wish: MachineFaultWish): MachineFault {
  return { ...wish, member };
}

/** Those that are in the guest itself: what makes them is gone when it restarts. */
export const IN_GUEST: readonly MachineFaultKind[] = ["clock", "memory", "fill"];

/** By kind; each throws {FleetboxError} `misuse`. */
export const MACHINE_CHECKS: Record<MachineFaultKind, (spec: Record<string, unknown>) => void> = {
  pause(spec) {
    only(spec, ["kind", "member"]);
    member(spec);
  },
  cpu: checkCpu,
  clock: checkClock,
  disk: checkDiskFault,
  memory: checkMemory,
  fill: checkFill,
};
