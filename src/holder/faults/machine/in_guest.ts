/** What faults inside a guest have in common: when they can be made, and when there is nothing to undo. */

import { FleetboxError } from "../../../core/errors.ts";
import type { Member } from "../../member/member.ts";
import { runOf } from "../../member/phases.ts";
import { GuestLine } from "./guest_line.ts";

/**
 * The way to a member's guest; undefined when there is nothing to do: it has no machine any more, and none of these faults.
 * @param what completes "Cannot … of"
 * @throws {FleetboxError} `conflict`: faults are wanted, and it does not run
 */
export function lineFor(member: Member, faults: readonly unknown[], what: string): GuestLine | undefined {
  if (faults.length > 0) return runningLine(member, what);
  return runOf(member.phases.now)?.guest ? GuestLine.of(member) : undefined;
}

/** Whether an adopted guest stands still just now, and its agent has what an earlier holder had it hold: there is nothing to do. */
export function isHeldStill(member: Member, isAdopted: boolean): boolean {
  return isAdopted && member.phases.now.kind === "paused" && GuestLine.of(member).isAgent;
}

/** `95%` */
export function percent(share: number): string {
  return `${Math.round(share * 1_000) / 10}%`;
}

/** The way to a guest that runs. @throws {FleetboxError} `conflict`: it does not run */
export function runningLine(member: Member, what: string): GuestLine {
  const { phases: { now }, name, state } = member;
  if (now.kind === "running") return GuestLine.of(member);
  const [found, hint] = now.kind === "paused"
    ? ["paused", `Let it go on first: fleetbox resume ${name}`]
    : [state, `Start it first: fleetbox up ${name}`];
  throw new FleetboxError("conflict", `Cannot ${what} of "${name}": it is ${found}, expected running`, { hint });
}
