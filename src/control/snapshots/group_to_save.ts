/** Which holders are asked to save members: those that run, group by group. Pure. */

import { FleetboxError } from "../../core/errors.ts";
import type { MemberReport } from "../../wire.ts";
import { type MemberFacts, silentMachine } from "../observe.ts";

/** Members that run in one group, in the given order. */
export interface GroupToSave {
  /** The group's name. */
  group: string;
  names: string[];
}

/**
 * The groups in which these members run.
 * @param what completes the sentence "Cannot …": `save` or `suspend`
 * @throws {FleetboxError} `not-found`, `conflict`: one of them does not run, with what to do; its holder's silence
 */
export function groupsToSave(members: readonly MemberFacts[], what: "save" | "suspend"): GroupToSave[] {
  const groups = new Map<string, GroupToSave>();
  for (const member of members) {
    const report = running(member, what);
    const key = report.group_id ?? `holder ${report.pid}`;
    const group = groups.get(key) ?? { group: report.group ?? report.name, names: [] };
    group.names.push(member.name);
    groups.set(key, group);
  }
  return [...groups.values()];
}

/** The same where it must be one group. @throws {FleetboxError} `conflict`: it is not, see {@link groupsToSave} */
export function groupToSave(members: readonly MemberFacts[]): GroupToSave {
  const groups = groupsToSave(members, "save");
  if (groups.length === 1) return groups[0];
  const places = groups.map(({ group, names }) => `${names.join(", ")} in the group "${group}"`).join("; ");
  throw new FleetboxError("conflict", `Cannot save members of ${groups.length} groups at one instant: ${places}`, {
    hint: `Make a checkpoint of each: fleetbox checkpoint ${groups[0].names.join(",")} --as NAME`,
  });
}

function running(member: MemberFacts, what: string): MemberReport {
  const { name, report, silence, stored, isSuspended } = member;
  if (silence) throw silence;
  if (report?.state === "running" && report.not_answering) throw silentMachine(report);
  if (report?.state === "running" && report.stage !== "stopping") return report;
  if (!report && !stored) throw new FleetboxError("not-found", `There is no member "${name}"`);
  const isStarting = report?.running && report.stage !== "stopping";
  const found = report?.stage === "stopping"
    ? "being stopped"
    : report?.state ?? (stored && "damage" in stored ? "damaged" : isSuspended ? "suspended" : "stopped");
  throw new FleetboxError("conflict", `Cannot ${what} "${name}": it is ${found}, expected running`, {
    hint: isStarting ? `Wait until it runs: fleetbox wait ${name}` : `Start it first: fleetbox up ${name}`,
  });
}
