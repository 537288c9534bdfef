/** What a holder writes down of its group (`run/<g>.json`), so that the next one can adopt it, and its check. */

import type { WireError } from "../core/errors.ts";
import type { FaultSpec } from "../core/faults.ts";
import { isName } from "../core/names.ts";
import type { RecordedUse } from "../core/options.ts";
import type { ProcessIdentity } from "../system/process.ts";
import { isPort, isProcess, isTime } from "./checks.ts";

/** A fault that goes on when another holder adopts the group. */
export interface StoredFault {
  id: string;
  spec: FaultSpec;
  seed: number;
  /** When it began, ISO 8601, for people. */
  since: string;
  /** The same in seconds since the host's start, a clock that nobody can set. */
  began_at: number;
  /** When it ends, in seconds since the host's start. Absent: when it is healed. */
  ends_at?: number;
  /** From whom, to whom, when that was decided at its beginning. */
  pairs?: [string, string][];
}

/** A holder's record of its group, with which the next holder can adopt it. */
export interface GroupRecord extends RecordedUse {
  /** `<g>`: 12 random hexadecimal digits, because two groups can have the same name. */
  id: string;
  /** The group's name: that of its first member. */
  group: string;
  /** The group's members: those that run, and stopped ones that return to this network with `up`. */
  members: string[];
  /** The members that the holder serves, in any state. */
  served: string[];
  /** Members that have answered on SSH. */
  running: string[];
  /** When each machine began to run, ISO 8601; also set while a new holder adopts it. Older records lack it. */
  since?: Record<string, string>;
  /** What failed in members that run nevertheless, such as their cloud-init. Absent: nothing. */
  problems?: Record<string, WireError>;
  holder: ProcessIdentity;
  /** Takes the group back when the holder is killed, and is its holder then. */
  guardian?: ProcessIdentity;
  bound: boolean;
  hypervisors: Record<string, ProcessIdentity>;
  gateway?: ProcessIdentity;
  /** Host ports forwarded to each member's SSH port. */
  ssh_ports: Record<string, number>;
  /** Absent: there are none. */
  faults?: StoredFault[];
  /** Members whose machines may stand still when the holder is killed; the next one continues them first. */
  squeezed?: string[];
}

/** Parses a group's record; undefined when the text is not a record. Never throws. */
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
    (rest.problems === undefined || byName(rest.problems, isWireError)) &&
    (rest.squeezed === undefined || (Array.isArray(rest.squeezed) && rest.squeezed.every(isName))) &&
    isProcess(rest.holder) && [rest.guardian, rest.gateway].every((one) => one === undefined || isProcess(one));
}

function isWireError(value: unknown): value is WireError {
  const { code, message, causes, hint } = (value ?? {}) as Record<string, unknown>;
  return [code, message, hint ?? ""].every((text) => typeof text === "string") && Array.isArray(causes) &&
    causes.every((cause) => typeof cause === "string");
}
