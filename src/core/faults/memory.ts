/** A guest that is short of memory: as it is asked for, and its check. */

import { member, only, whole } from "./values.ts";

export interface MemoryFault {
  kind: "memory";
  member: string;
  /** How much is left for its programs, in MiB: MemAvailable of /proc/meminfo. */
  availableMiB: number;
}

/** @throws {FleetboxError} `misuse` */
export function checkMemory(spec: Record<string, unknown>): void {
  only(spec, ["kind", "member", "availableMiB"]);
  member(spec);
  whole("availableMiB", spec.availableMiB, 1, 1024 * 1024);
}
