/**
 * The next step of `up`, `join` and the library, from observed facts. Pure; `plan_test.ts` has the cases.
 *
 * | what is found                                         | `up` does                                               |
 * | ----------------------------------------------------- | ------------------------------------------------------- |
 * | a name's config is damaged, or its holder is silent   | refuse, with that error                                 |
 * | a member that runs, and whose hypervisor is silent    | refuse, with what to do                                 |
 * | a member that is being stopped                        | wait until it is gone, look again                       |
 * | a member of a program's bound group                   | refuse: it ends with that program                       |
 * | members that run in two groups                        | refuse: two networks cannot merge                       |
 * | one that failed in another group, without a machine   | release it there, look again                            |
 * | some are served, by one holder                        | add the others there; wait for those that boot          |
 * | none is served, and some belong to a group that lives | add all there: they return to their network             |
 * | none is served, and none belongs to a group           | spawn one holder for all                                |
 * | … and orphans of a killed holder run                  | the new holder adopts them                              |
 * | … or of the group that a stopped one belongs to       | the same: it returns to its network                     |
 *
 * A group that is bound to this program ({@link planBound}) has one network, its holder's, and adopts nothing:
 *
 * | what is found                                         | `start`, `startCluster` and `add` do                    |
 * | ----------------------------------------------------- | ------------------------------------------------------- |
 * | a name's config is damaged, or its holder is silent   | refuse, with that error                                 |
 * | a name that the store has already                     | refuse, unless `existing` is "reuse"                    |
 * | … and was made by a program that has ended            | replace it: it should have ended with that program      |
 * | another holder serves a name, or its machine runs     | refuse: it would not end with this program              |
 * | a member that is stopping                             | wait until it is gone, look again                       |
 * | the group's holder serves a member                    | add the others there; wait for those that boot          |
 * | … and is stopping its last one                        | wait until it is gone, look again                       |
 * | it serves none                                        | spawn one holder for all                                |
 */

import { FleetboxError } from "../core/errors.ts";
import { cannotBind } from "../store/orphans.ts";
import type { MemberConfig } from "../store.ts";
import type { ProcessIdentity } from "../system/process.ts";
import { type GroupFacts, homeGroup, type MemberFacts, orphanGroup, silentMachine } from "./observe.ts";

export type Plan =
  /** It cannot be done. */
  | { step: "refuse"; error: FleetboxError }
  /** These are stopping: wait until no holder serves them, look again. */
  | { step: "await-end"; names: string[] }
  /** These failed, and their machines are gone: have their holder let them go, and look again. */
  | { step: "release"; names: string[] }
  /** A program that has ended made these: remove them with their disks, and look again. */
  | { step: "replace"; names: string[] }
  /** One new holder for `names`. It adopts a killed holder's machines: `adopted` of those named, `alsoAdopted` besides. */
  | { step: "spawn"; names: string[]; adopted: string[]; alsoAdopted: string[] }
  /** Via a served member: boot `add`, wait for `pending`, leave `running`. Each name that was asked is in one list. */
  | { step: "add"; via: string; group: string; add: string[]; pending: string[]; running: string[] };

/** The next step of `up` for these members, in the order in which the user named them. */
export function planUp(members: readonly MemberFacts[], groups: readonly GroupFacts[]): Plan {
  return silentBlock(members) ?? planGroup(members, groups);
}

/**
 * The same for some members of a group whose `others` may run: they decide the network as well, and stay as they are.
 */
export function planUpBeside(
  members: readonly MemberFacts[],
  others: readonly MemberFacts[],
  groups: readonly GroupFacts[],
): Plan {
  const present = others.filter(({ name, report }) =>
    report ? report.running && !report.bound && report.stage !== "stopping" : orphanGroup(groups, name)
  );
  const plan = silentBlock(members) ?? planGroup([...members, ...present], groups);
  if (plan.step !== "add") return plan;
  const wanted = (names: string[]) => names.filter((name) => members.some((member) => member.name === name));
  return { ...plan, add: wanted(plan.add), pending: wanted(plan.pending), running: wanted(plan.running) };
}

function planGroup(members: readonly MemberFacts[], groups: readonly GroupFacts[]): Plan {
  const blocked = blockedBy(members);
  if (blocked) return blocked;
  const others = members.find(({ report }) => report?.bound);
  if (others) return { step: "refuse", error: ofAProgram(others.name) };

  const served = members.filter((member) => member.report);
  const homeNow = ({ name, report }: MemberFacts) => {
    if (report) return { key: `holder ${report.pid}`, group: groupOf(report) };
    const orphans = orphanGroup(groups, name);
    return orphans && { key: `record ${orphans.id}`, group: orphans.group };
  };
  const alive = homesOf(members.filter((member) => !hasFailed(member)), homeNow);
  const running = alive.size > 0 ? alive : new Map([...homesOf(members, homeNow)].slice(0, 1));
  const apart = members.filter((member) => hasFailed(member) && !running.has(homeNow(member)!.key));
  if (running.size === 1 && apart.length > 0) return { step: "release", names: apart.map(({ name }) => name) };
  // Running members decide the network; stopped ones follow, and decide only if no member runs.
  const homes = running.size > 0 ? running : homesOf(members, (member) => {
    const home = homeGroup(groups, member);
    if (!home) return undefined;
    if (home.holderAlive) return { key: `holder ${home.holder}`, group: home.group, via: home.served };
    return { key: `record ${home.id}`, group: home.group, orphan: home.machinesAlive[0] };
  });
  if (homes.size > 1) return { step: "refuse", error: cannotMerge([...homes.values()]) };

  // A living member is asked before a failed one, because the holder may be releasing the latter.
  const asked = served.find((member) => member.report!.running) ?? served[0];
  const [home] = homes.values();
  const via = asked?.name ?? home?.via?.find((name) => !members.some((member) => member.name === name));
  const orphan = home?.orphan === undefined ? [] : [home.orphan];
  if (via === undefined) return planSpawn([...members.map(({ name }) => name), ...orphan], groups);
  return planAdd(via, home.group, members);
}

function planAdd(via: string, group: string, members: readonly MemberFacts[]): Plan {
  const standing = (wanted: Standing) => members.filter((one) => standingOf(one) === wanted).map(({ name }) => name);
  return {
    step: "add",
    via,
    group,
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

/** What a program wants from the group that is bound to it. */
export interface BoundWish {
  /** The group's holder, if it has one now. */
  holder: number | undefined;
  /** What a name means that the store has already. */
  existing: "refuse" | "reuse";
  isAlive(process: ProcessIdentity): boolean;
}

/** The next step for members of a bound group; `others` are the group's other members. */
export function planBound(
  members: readonly MemberFacts[],
  others: readonly MemberFacts[],
  groups: readonly GroupFacts[],
  { holder, existing, isAlive }: BoundWish,
): Plan {
  const isOurs = ({ report }: MemberFacts) => holder !== undefined && report?.pid === holder;
  const strangers = members.filter((member) => !isOurs(member));
  const made = existing === "reuse"
    ? []
    : strangers.flatMap(({ stored }) => stored && "config" in stored ? [stored] : []);
  const inUse = made.find(({ config: { owner } }) => owner === undefined || isAlive(owner));
  if (inUse) return { step: "refuse", error: nameInUse(inUse.config) };
  const blocked = blockedBy(members) ?? silentBlock(members);
  if (blocked) return blocked;
  const served = strangers.find(({ report }) => report);
  if (served) return { step: "refuse", error: servedElsewhere(served.name) };
  const orphan = strangers.find(({ name }) => orphanGroup(groups, name));
  if (orphan) return { step: "refuse", error: cannotBind(orphan.name) };
  if (made.length > 0) return { step: "replace", names: made.map(({ name }) => name) };

  const names = (some: readonly MemberFacts[]) => some.map(({ name }) => name);
  const ours = [...members, ...others].filter(isOurs);
  const staying = ours.filter(({ report }) => report!.stage !== "stopping");
  const via = staying.find(({ report }) => report!.running) ?? staying[0];
  if (via) return planAdd(via.name, groupOf(via.report!), members);
  // The holder ends with its last member, and the network with it.
  if (ours.length > 0) return { step: "await-end", names: names(ours) };
  return { step: "spawn", names: names(members), adopted: [], alsoAdopted: [] };
}

/** Its start or its machine failed, and there is no machine: only its holder still tells why. */
function hasFailed({ report }: MemberFacts): boolean {
  return report?.state === "error" && report.hypervisor_pid === undefined;
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
    adopted: names.filter((name) => alive.includes(name)),
    alsoAdopted: alive.filter((name) => !names.includes(name)),
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

export function ofAProgram(name: string): FleetboxError {
  return new FleetboxError(
    "conflict",
    `"${name}" belongs to a running program, and ends with it: no other program can start it or join its network`,
    { hint: "Use another name, or a store of your own: FLEETBOX_HOME=DIRECTORY" },
  );
}

function servedElsewhere(name: string): FleetboxError {
  return new FleetboxError("conflict", `"${name}" is already served by another holder`, {
    hint: `See which: fleetbox status ${name}`,
  });
}

function nameInUse({ name, owner, created_at }: MemberConfig): FleetboxError {
  const whose = owner ? `process ${owner.pid} made it and still runs` : `it was made at ${created_at}`;
  return new FleetboxError("conflict", `Cannot make the machine "${name}": there is one of that name, ${whose}`, {
    hint: `Use another name or none, or say existing: "reuse" to boot that machine, or remove it: fleetbox rm ${name}`,
  });
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
