/** Facts about members and groups, for the tests of what is planned from them. */

import { FleetboxError } from "../core/errors.ts";
import type { MemberConfig } from "../store.ts";
import type { MemberReport } from "../wire.ts";
import type { GroupFacts, MemberFacts } from "./observe.ts";

/** A member that the store has; `group`: the id of the group that it last booted in. */
export function stopped(name: string, group?: string, config: Partial<MemberConfig> = {}): MemberFacts {
  return { name, stored: { name, config: { name, group, ...config } as MemberConfig } };
}
export const absent = (name: string): MemberFacts => ({ name });
export const damaged = (name: string): MemberFacts => ({
  name,
  stored: { name, damage: new FleetboxError("damaged", `${name} is damaged`) },
});
export const silent = (name: string): MemberFacts => ({
  ...stopped(name),
  silence: new FleetboxError("timeout", "silent"),
});

/** A member that is served, by the holder of a group. */
export function served(name: string, group: string, report: Partial<MemberReport> = {}): MemberFacts {
  const state = report.state ?? "running";
  const running = state !== "error" && state !== "stopped";
  return {
    ...stopped(name),
    report: { name, group, state, running, pid: group.charCodeAt(0), ...report } as MemberReport,
  };
}

/** A group: `alive`, its machines; a living holder serves those, too. */
export function group(name: string, alive: string[], facts: Partial<GroupFacts> = {}): GroupFacts {
  const base = { id: `id-${name}`, group: name, members: alive, holder: name.charCodeAt(0), bound: false };
  return {
    ...base,
    holderAlive: true,
    isComingBack: false,
    served: alive,
    machinesAlive: alive,
    running: alive,
    ...facts,
  };
}
export const killed = (name: string, alive: string[]): GroupFacts => group(name, alive, { holderAlive: false });
