/** What a holder writes down of its group (`run/<g>.json`), so that the next one can adopt it, and its check. */

import { isName } from "../core/names.ts";
import type { RecordedUse } from "../core/options.ts";
import type { ProcessIdentity } from "../system/process.ts";
import { isPort, isProcess, isTime } from "./checks.ts";

/** What a holder notes of its group, so that the next holder can take it back (design §3, adoption). */
export interface GroupRecord extends RecordedUse {
  /** `<g>`: 12 random hexadecimal digits; a group's name can be that of another group's first member. */
  id: string;
  /** The group's name: that of its first member. */
  group: string;
  /** Who belongs to the group: who runs, and who was stopped and will be back on this network after an `up`. */
  members: string[];
  /** Those of them that the holder serves, in whatever state. */
  served: string[];
  /** Who answered on SSH already. */
  running: string[];
  /** Since when each machine is running, ISO 8601: also while a new holder is only taking it over. Older records lack it. */
  since?: Record<string, string>;
  holder: ProcessIdentity;
  /** Takes the group back when the holder is killed, and is its holder then. */
  guardian?: ProcessIdentity;
  bound: boolean;
  hypervisors: Record<string, ProcessIdentity>;
  gateway?: ProcessIdentity;
  /** Host ports forwarded to each member's SSH port. */
  ssh_ports: Record<string, number>;
}

/** A group's record in a file's text, or undefined when it is none. Never throws. */
export function parseGroupRecord(text: string): GroupRecord | undefined {
  try {
    const value = JSON.parse(text);
    return isGroupRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isGroupRecord(value: unknown): value is GroupRecord {
  const { id, group, members, served, running, since, hypervisors, ssh_ports, ...rest } = value as GroupRecord;
  const byName = (map: unknown, isRight: (value: unknown) => boolean) =>
    typeof map === "object" && map !== null && Object.entries(map).every(([name, one]) => isName(name) && isRight(one));
  return typeof id === "string" && /^[0-9a-f]{12}$/.test(id) && isName(group) &&
    [members, served, running].every((list) => Array.isArray(list) && list.every(isName)) &&
    byName(hypervisors, isProcess) && byName(ssh_ports, isPort) && (since === undefined || byName(since, isTime)) &&
    isProcess(rest.holder) && [rest.guardian, rest.gateway].every((one) => one === undefined || isProcess(one));
}
