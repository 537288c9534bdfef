/** The clock of a member's guest, as its kernel has it. */

import { FleetboxError } from "../../../core/errors.ts";
import { readOffset } from "../../../guest/faults/clock.ts";
import type { ClockReport } from "../../../wire.ts";
import type { Member } from "../../member/member.ts";
import { runningLine } from "./in_guest.ts";

/**
 * @param options.isCheap not over SSH, for which a user would have to log in, and less exact: it is read once
 * @throws {FleetboxError} `conflict`: it does not run; `failed`: its guest does not answer; `unavailable`: it would not be cheap
 */
export async function readClock(member: Member, { isCheap = false } = {}): Promise<ClockReport> {
  const line = runningLine(member, "read the clock");
  if (isCheap && !line.isAgent) {
    throw new FleetboxError("unavailable", `The clock of "${member.name}" is read over SSH: its image has no agent`);
  }
  const { offsetMs, errorMs } = await line.talk((guest) => readOffset(guest, isCheap ? 1 : undefined));
  const tenths = (ms: number) => Math.round(ms * 10) / 10;
  return { name: member.name, offset_ms: tenths(offsetMs), error_ms: Math.ceil(errorMs * 10) / 10 };
}
