/** Makes the group of a trace again: from a checkpoint, or by booting new members. */

import { FleetboxError } from "../../core/errors.ts";
import type { GroupFacts, MemberFacts } from "../../control/observe.ts";
import type { Plan } from "../../control/plan.ts";
import { type ForkMembers, forkOptions, presentMembers } from "../../control/snapshots/fork.ts";
import type { CheckpointManifest } from "../../store/snapshots.ts";
import { bringMembersUp } from "../bring_members_up.ts";
import type { Batch, NewMember } from "./members.ts";

interface Flags {
  verbose?: boolean;
}

/** The error for members that are there already. */
type Refuse = (names: readonly string[]) => FleetboxError;

/** A checkpoint's members by the names that they get, as {@link forkOptions} takes them. */
function forkOf({ members: saved }: CheckpointManifest, members: readonly NewMember[]): ForkMembers {
  const names = new Map(members.map(({ hostName, name }) => [hostName, name]));
  return Object.fromEntries(Object.entries(saved).map(([was, { host_name }]) => [names.get(host_name)!, was]));
}

/** Returns when the members run. @throws {FleetboxError} why they do not; `conflict`: some are there; `interrupted` */
export async function forkGroup(
  checkpoint: CheckpointManifest,
  members: readonly NewMember[],
  refuse: Refuse,
  { verbose }: Flags,
): Promise<void> {
  const forked = forkOf(checkpoint, members), names = Object.keys(forked);
  await bringMembersUp({
    names,
    flags: { wait: true, verbose },
    options: forkOptions(checkpoint.name, forked, {}),
    plan: (facts, groups) => planNew(names, facts, groups, refuse) ?? planSpawn(names),
  });
}

/**
 * Boots the first batch as a group, and the others onto its network. Returns when all run.
 * @throws {FleetboxError} why they do not; `conflict`: some are there; `interrupted`
 */
export async function bootGroup(batches: readonly Batch[], refuse: Refuse, { verbose }: Flags): Promise<void> {
  const all = batches.flatMap(({ names }) => names), [via] = all;
  for (const [index, { names, options }] of batches.entries()) {
    await bringMembersUp({
      names,
      context: index === 0 ? all : [via],
      flags: { wait: true, verbose },
      options,
      plan: (facts, groups) =>
        planNew(index === 0 ? all : names, facts, groups, refuse) ??
          (index === 0 ? planSpawn(names) : planAdd(names, facts.get(via)!)),
    });
  }
}

function planNew(
  names: readonly string[],
  facts: ReadonlyMap<string, MemberFacts>,
  groups: readonly GroupFacts[],
  refuse: Refuse,
): Plan | undefined {
  const there = presentMembers(names.map((name) => facts.get(name)!), groups).map(({ name }) => name);
  return there.length > 0 ? { step: "refuse", error: refuse(there) } : undefined;
}

function planSpawn(names: readonly string[]): Plan {
  return { step: "spawn", names: [...names], adopted: [], alsoAdopted: [] };
}

function planAdd(names: readonly string[], { name: via, report }: MemberFacts): Plan {
  if (report?.running) {
    return { step: "add", via, group: report.group ?? via, add: [...names], pending: [], running: [] };
  }
  const error = new FleetboxError("failed", `"${via}" was stopped while the group was made again`);
  return { step: "refuse", error };
}
