/**
 * The next step of `up` and `join`, from observed facts. Pure; `plan_test.ts` has the cases.
 *
 * | what is found                                         | `up` does                                               |
 * | ----------------------------------------------------- | ------------------------------------------------------- |
 * | a name's config is damaged, or its holder is silent   | refuse, with that error                                 |
 * | a member that runs, and whose hypervisor is silent    | refuse, with what to do                                 |
 * | a member that is being stopped                        | wait until it is gone, look again                       |
 * | a member of a program's bound group                   | refuse: it ends with that program                       |
 * | members of two groups                                 | refuse: two networks cannot merge                       |
 * | some are served, by one holder                        | add the others there; wait for those that boot          |
 * | none is served, and some belong to a group that lives | add all there: they return to their network             |
 * | none is served, and none belongs to a group           | spawn one holder for all                                |
 * | … and orphans of a killed holder run                  | the new holder adopts them                              |
 * | … or of the group that a stopped one belongs to       | the same: it returns to its network                     |
 */

import { FleetboxError } from "../core/errors.ts";
import { type GroupFacts, homeGroup, type MemberFacts, orphanGroup, silentMachine } from "./observe.ts";

export type Plan =
  /** It cannot be done. */
  | { step: "refuse"; error: FleetboxError }
  /** These are stopping: wait until no holder serves them, look again. */
  | { step: "await-end"; names: string[] }
  /** One new holder for `names`. It adopts a killed holder's machines: `taken` of those named, `strays` besides. */
  | { step: "spawn"; names: string[]; taken: string[]; strays: string[] }
  /** Via a served member: boot `add`, wait for `pending`, leave `running`. Each name that was asked is in one list. */
  | { step: "add"; via: string; group: string; add: string[]; pending: string[]; running: string[] };

/** The next step of `up` for these members, in the order in which the user named them. */
export function planUp(members: readonly MemberFacts[], groups: readonly GroupFacts[]): Plan {
  return silentBlock(members) ?? planGroup(members, groups);
}

function planGroup(members: readonly MemberFacts[], groups: readonly GroupFacts[]): Plan {
  const blocked = blockedBy(members);
  if (blocked) return blocked;
  const others = members.find(({ report }) => report?.bound);
  if (others) return { step: "refuse", error: ofAProgram(others.name) };

  const served = members.filter((member) => member.report);
  const running = homesOf(members, ({ name, report }) => {
    if (report) return { key: `holder ${report.pid}`, group: groupOf(report) };
    const orphans = orphanGroup(groups, name);
    return orphans && { key: `record ${orphans.id}`, group: orphans.group };
  });
  // Running members decide the network; stopped ones follow, and decide only if no member runs.
  const homes = running.size > 0 ? running : homesOf(members, (member) => {
    const home = homeGroup(groups, member);
    if (!home) return undefined;
    if (home.holderAlive) return { key: `holder ${home.holder}`, group: home.group, via: home.served };
    return { key: `record ${home.id}`, group: home.group, orphan: home.machinesAlive[0] };
  });
  if (homes.size > 1) return { step: "refuse", error: cannotMerge([...homes.values()]) };

  const standing = (wanted: Standing) => members.filter((one) => standingOf(one) === wanted).map(({ name }) => name);
  // A living member is asked before a failed one, because the holder may be releasing the latter.
  const asked = served.find((member) => member.report!.running) ?? served[0];
  const [home] = homes.values();
  const via = asked?.name ?? home?.via?.find((name) => !members.some((member) => member.name === name));
  const orphan = home?.orphan === undefined ? [] : [home.orphan];
  if (via === undefined) return planSpawn([...members.map(({ name }) => name), ...orphan], groups);
  return {
    step: "add",
    via,
    group: home.group,
    add: standing("down"),
    pending: standing("booting"),
    running: standing("running"),
  };
}

/** A group that lives, and the member through which it came into the plan. */
interface Home {
  key: string;
  group: string;
  /** Members through which the group can be asked. */
  via?: string[];
  /** One of its machines, when its holder was killed: a holder for it adopts the group. */
  orphan?: string;
}

function homesOf(
  members: readonly MemberFacts[],
  homeOf: (member: MemberFacts) => Home | undefined,
): Map<string, Home & { name: string }> {
  const homes = new Map<string, Home & { name: string }>();
  for (const member of members) {
    const home = homeOf(member);
    if (home && !homes.has(home.key)) homes.set(home.key, { ...home, name: member.name });
  }
  return homes;
}

/** The next step of `join`: like `up`, but the group is the one that `via` is in. */
export function planJoin(member: MemberFacts, via: MemberFacts, groups: readonly GroupFacts[]): Plan {
  const blocked = blockedBy([member, via]);
  if (blocked) return blocked;
  const orphans = orphanGroup(groups, via.name);
  if (!via.report && orphans) {
    // Its holder was killed and its machine runs: a new holder first adopts the group, then `member` is added.
    return planSpawn([via.name], groups);
  }
  if (!via.report?.running) return { step: "refuse", error: viaNotRunning(member.name, via) };
  const plan = silentBlock([member]) ?? planGroup([via, member], groups);
  if (plan.step !== "add") return plan;
  const without = (names: string[]) => names.filter((name) => name !== via.name);
  return { ...plan, via: via.name, pending: without(plan.pending), running: without(plan.running) };
}

function silentBlock(members: readonly MemberFacts[]): Plan | undefined {
  const silent = members.find(({ report }) => report?.state === "running" && report.not_answering);
  return silent && { step: "refuse", error: silentMachine(silent.report!) };
}

function blockedBy(members: readonly MemberFacts[]): Plan | undefined {
  for (const { report, silence, stored } of members) {
    if (silence) return { step: "refuse", error: silence };
    if (!report && stored && "damage" in stored) return { step: "refuse", error: stored.damage };
  }
  const ending = members.filter(({ report }) => report?.stage === "stopping").map(({ name }) => name);
  return ending.length > 0 ? { step: "await-end", names: ending } : undefined;
}

function planSpawn(names: readonly string[], groups: readonly GroupFacts[]): Plan {
  const orphans = names.map((name) => orphanGroup(groups, name)).find((group) => group !== undefined);
  const alive = orphans?.machinesAlive ?? [];
  return {
    step: "spawn",
    names: [...names],
    taken: names.filter((name) => alive.includes(name)),
    strays: alive.filter((name) => !names.includes(name)),
  };
}

type Standing = "down" | "booting" | "running";

function standingOf({ report }: MemberFacts): Standing {
  if (!report?.running) return "down";
  return report.state === "running" ? "running" : "booting";
}

function groupOf(report: { group?: string; name: string }): string {
  return report.group ?? report.name;
}

function ofAProgram(name: string): FleetboxError {
  return new FleetboxError(
    "conflict",
    `"${name}" belongs to a running program, and ends with it: no other program can start it or join its network`,
    { hint: "Use another name, or a store of your own: FLEETBOX_HOME=DIRECTORY" },
  );
}

function cannotMerge([first, second]: { name: string; group: string }[]): FleetboxError {
  return new FleetboxError(
    "conflict",
    `Cannot bring "${first.name}" and "${second.name}" up together: "${first.name}" is in the group "${first.group}", ` +
      `"${second.name}" in the group "${second.group}", and two networks cannot merge`,
    { hint: `Use one command for each group, or stop one of them first: fleetbox stop ${second.name}` },
  );
}

function viaNotRunning(name: string, via: MemberFacts): FleetboxError {
  const known = via.stored || via.report;
  const found = !known ? "there is no such member" : via.report?.state === "error" ? "it failed" : "it is not running";
  return new FleetboxError(known ? "conflict" : "not-found", `Cannot join "${name}" via "${via.name}": ${found}`, {
    hint: known
      ? `Start it first: fleetbox up ${via.name}`
      : `Bring both up on one network: fleetbox up ${via.name} ${name}`,
  });
}
