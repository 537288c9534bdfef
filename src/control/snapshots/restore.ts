/**
 * Restores a checkpoint: its members become again what they were. What runs of them is ended first; what was written
 * since the save is lost, so commands ask before.
 *
 * | what is found                                               | `restore` does                                    |
 * | ----------------------------------------------------------- | ------------------------------------------------- |
 * | a member's config is damaged, or its holder is silent       | refuse, with that error                           |
 * | a member of a running program                               | refuse: it ends with that program                 |
 * | other members run in the group of one of them               | refuse: two networks cannot merge, they must stop |
 * | a member that is being stopped                              | wait until it is gone, look again                 |
 * | members that a holder serves, or whose machines run         | end them, look again                              |
 * | members that are stopped, or were removed                   | spawn one holder for all                          |
 */

import { FleetboxError } from "../../core/errors.ts";
import { listed } from "../../core/names.ts";
import type { Options } from "../../core/options.ts";
import { naturalOrder, type Store } from "../../store.ts";
import type { CheckpointManifest } from "../../store/snapshots.ts";
import type { Detail } from "../../wire.ts";
import { adoptOrphans } from "../adopt.ts";
import { checkRoomToRestore } from "../bring_up/room.ts";
import { stop } from "../members.ts";
import { type GroupFacts, homeGroup, type MemberFacts, observeGroups, observeMembers } from "../observe.ts";
import { ofAProgram, type Plan } from "../plan.ts";
import type { FindExecutable } from "../spawn.ts";
import { untilGone } from "../until_gone.ts";

/** The next step of a restore. */
export type RestorePlan =
  | Extract<Plan, { step: "refuse" | "await-end" | "spawn" }>
  /** These are served, or their machines run: end them, look again. */
  | { step: "end"; names: string[] };

/** The next step of a restore of these members. Pure. */
export function planRestore(members: readonly MemberFacts[], groups: readonly GroupFacts[]): RestorePlan {
  const names = members.map(({ name }) => name);
  const error = members.map(refusalOf).find((one) => one !== undefined) ?? othersRun(members, groups);
  if (error) return { step: "refuse", error };
  const ending = members.filter(({ report }) => report?.stage === "stopping").map(({ name }) => name);
  if (ending.length > 0) return { step: "await-end", names: ending };
  const machines = groups.flatMap(({ machinesAlive }) => machinesAlive);
  const inUse = members.filter(({ name, report }) => report || machines.includes(name)).map(({ name }) => name);
  if (inUse.length > 0) return { step: "end", names: inUse };
  return { step: "spawn", names, adopted: [], alsoAdopted: [] };
}

function refusalOf({ name, report, silence, stored }: MemberFacts): FleetboxError | undefined {
  if (silence) return silence;
  if (report?.bound) return ofAProgram(name);
  return stored && "damage" in stored ? stored.damage : undefined;
}

/** The members of their groups that run, and are no part of the checkpoint. */
function othersRun(members: readonly MemberFacts[], groups: readonly GroupFacts[]): FleetboxError | undefined {
  const names = members.map(({ name }) => name);
  for (const member of members) {
    const group = groups.find(({ id, served, machinesAlive }) =>
      member.report ? id === member.report.group_id : [...served, ...machinesAlive].includes(member.name)
    ) ?? homeGroup(groups, member);
    const others = (group?.machinesAlive ?? []).filter((name) =>
      !names.includes(name)
    ).sort(naturalOrder);
    if (others.length === 0) continue;
    return new FleetboxError(
      "conflict",
      `Cannot restore "${member.name}": its group "${group!.group}" has running members that are no part of the ` +
        `checkpoint: ${listed(others)}`,
      { hint: `Stop them first: fleetbox stop ${others.join(" ")}` },
    );
  }
  return undefined;
}

/** The options with which the holder of restored members is started. */
export function restoreOptions({ name, members }: CheckpointManifest, options: Options): Options {
  const same = Object.fromEntries(Object.keys(members).map((one) => [one, one]));
  return { ...options, snapshot: { checkpoint: name, members: same, replace: true } };
}

/** What is found of a checkpoint's members now. */
export async function lookForRestore(
  store: Store,
  { members }: CheckpointManifest,
): Promise<{ facts: MemberFacts[]; plan: RestorePlan }> {
  const facts = await observeMembers(store, Object.keys(members));
  return { facts, plan: planRestore(facts, observeGroups(store)) };
}

export interface EndRequest {
  findExecutable: FindExecutable;
  /** Called for each step. */
  onDetail?: (detail: Detail) => void;
  /** Called for each member that is ended. */
  onEnd?: (member: MemberFacts) => void;
  signal: AbortSignal;
}

/** Ends what runs of a checkpoint's members, without asking the guests. @throws {FleetboxError} why it cannot be done */
export async function endForRestore(store: Store, manifest: CheckpointManifest, request: EndRequest): Promise<void> {
  const { findExecutable, onDetail, onEnd = () => {}, signal } = request;
  for (;;) {
    const { facts, plan } = await lookForRestore(store, manifest);
    signal.throwIfAborted();
    switch (plan.step) {
      case "refuse":
        throw plan.error;
      case "spawn":
        return;
      case "await-end":
        await untilGone(store, plan.names, signal);
        break;
      case "end":
        await checkRoomToRestore(store, facts.length);
        await adoptOrphans(store, plan.names, findExecutable);
        await Promise.all(plan.names.map(async (name) => {
          onEnd(facts.find((one) => one.name === name)!);
          await stop(store, name, { force: true, onDetail, signal });
        }));
        break;
      default:
        plan satisfies never;
    }
  }
}

/** The step of {@link planRestore} after what ran was ended: what runs now was started by somebody else. */
export function planRestoreStart(members: readonly MemberFacts[], groups: readonly GroupFacts[]): Plan {
  const plan = planRestore(members, groups);
  if (plan.step !== "end") return plan;
  const were = plan.names.length > 1 ? "were" : "was";
  const error = new FleetboxError("conflict", `Cannot restore: ${listed(plan.names)} ${were} started again meanwhile`, {
    hint: "See by whom: fleetbox ls",
  });
  return { step: "refuse", error };
}
