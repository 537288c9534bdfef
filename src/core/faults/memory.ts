/** A guest that is short of memory: as it is asked for, and its check. */

import { isName } from "../names.ts";
import { bad, only, whole } from "./values.ts";

export interface MemoryFault {
  kind: "memory";
  member: string;
  /** How much is left for its programs, in MiB: MemAvailable of /proc/meminfo. */
  availableMiB: number;
}

/** @throws {FleetboxError} `misuse` */
export function checkMemory(spec: Record<string, unknown>): void {
  only(spec, ["kind", "member", "availableMiB"]);
  if (!isName(spec.member)) bad("member", spec.member, "a member's name");
  whole("availableMiB", spec.availableMiB, 1, 1024 * 1024);
}
