/** A member's machine gets a part of the processor's time only. */

import { member, numberIn, only } from "./values.ts";

export interface CpuFault {
  kind: "cpu";
  member: string;
  /** The part of the time in which it runs, more than 0 and less than 1. */
  share: number;
}

/** The smallest and the largest share: less is a pause, more is nothing. */
export const SHARES = { min: 0.01, max: 0.99 } as const;

/** @throws {FleetboxError} `misuse` */
export function checkCpu(spec: Record<string, unknown>): void {
  only(spec, ["kind", "member", "share"]);
  member(spec);
  numberIn("share", spec.share, SHARES.min, SHARES.max);
}
