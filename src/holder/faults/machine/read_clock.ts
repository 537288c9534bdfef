/** The clock of a member's guest, as its kernel has it. */

import { readOffset } from "../../../guest/faults/clock.ts";
import type { ClockReport } from "../../../wire.ts";
import type { Member } from "../../member/member.ts";
import { runningLine } from "./in_guest.ts";

/** @throws {FleetboxError} `conflict`: it does not run; `failed`: its guest does not answer */
export async function readClock(member: Member): Promise<ClockReport> {
  const { offsetMs, errorMs } = await runningLine(member, "read the clock").talk(readOffset);
  const tenths = (ms: number) => Math.round(ms * 10) / 10;
  return { name: member.name, offset_ms: tenths(offsetMs), error_ms: Math.ceil(errorMs * 10) / 10 };
}
