/**
 * A killed holder's machines: a new holder takes them back, and they are members like any others again. Every command that
 * needs one of them does this first: `up` and `join` by their plan, `ls --repair`, `ssh`, `exec`, `cp`, `stop` and `rm` here.
 */

import { Limit } from "../core/deadline.ts";
import { resolveHelper } from "../../helper/resolve.ts";
import { spawn, watch } from "../control.ts";
import { codeOf } from "../core/errors.ts";
import { sweepGroups } from "../store/orphans.ts";
import { naturalOrder, type Store } from "../store.ts";
import { listed } from "./arguments/name_arguments.ts";
import { type GroupFacts, observeGroups, orphanGroup } from "../control/observe.ts";

/** How long machines whose guests had answered may take to be connected again. */
const CONNECTED_MS = 20_000;
/** How long one is waited for of which that is not known: it may be at the beginning of its boot. */
const UNKNOWN_MS = 5_000;

/**
 * Takes back every machine of the groups in which one of these members is an orphan, and sweeps groups of which no
 * machine runs.
 * @returns the members that are served again.
 */
export async function takeBack(store: Store, names: readonly string[]): Promise<string[]> {
  return (await takeGroupsBack(store, names)).flatMap(({ machinesAlive }) => machinesAlive);
}

/** The same, and waits until those that ran before run again: it is a moment, for nothing boots. */
export async function takeBackAndConnect(store: Store, names: readonly string[]): Promise<string[]> {
  const groups = await takeGroupsBack(store, names);
  await Promise.all(groups.map((group) => untilConnected(store, group)));
  return groups.flatMap(({ machinesAlive }) => machinesAlive);
}

/** What is said of members that are served again. */
export function takenBack(names: readonly string[]): string {
  return `their holder was killed; taken back: ${listed([...names].sort(naturalOrder))}`;
}

/** Waits for a machine that another holder is just taking over, such as the one that its guardian has started. */
export async function untilTakenOver(store: Store, name: string): Promise<void> {
  using limit = new Limit(CONNECTED_MS);
  for await (const event of watch(store, name, limit.signal)) {
    if (event.event !== "member" || event.member.name !== name) continue;
    const { state, stage } = event.member;
    if (state !== "starting" || (stage !== "adoption" && stage !== "boot")) return;
  }
}

async function takeGroupsBack(store: Store, names: readonly string[]): Promise<GroupFacts[]> {
  sweepGroups(store);
  const groups = observeGroups(store);
  const orphaned = new Set(names.map((name) => orphanGroup(groups, name)).filter((group) => group !== undefined));
  return await Promise.all([...orphaned].map(async (group) => {
    try {
      await spawn(store, {
        exe: await resolveHelper(store),
        names: group.machinesAlive.filter((name) => names.includes(name)),
      });
    } catch (thrown) {
      if (codeOf(thrown) !== "conflict") throw thrown; // else: another command has just done the same
    }
    return group;
  }));
}

/** Waits until the machines are connected again; a guest that still boots goes on doing that. */
async function untilConnected(store: Store, { machinesAlive, running }: GroupFacts): Promise<void> {
  const pending = new Set(machinesAlive);
  const haveAnswered = machinesAlive.every((name) => running.includes(name));
  using limit = new Limit(haveAnswered ? CONNECTED_MS : UNKNOWN_MS);
  for (const first of machinesAlive) {
    if (pending.size === 0) return;
    for await (const event of watch(store, first, limit.signal)) {
      if (event.event === "gone") pending.delete(event.name);
      if (event.event !== "member") continue;
      const { name, state } = event.member;
      if (state === "running" || state === "error") pending.delete(name); // "stopped" is what it is before it is looked at
      if (pending.size === 0) return;
    }
  }
}
