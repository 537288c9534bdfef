/**
 * Adopting a killed holder's machines: a new holder takes them, and they are members like all others again. Every
 * command that needs one of them does this first: `up` and `join` by their plan, the others here.
 */

import { Limit } from "../core/deadline.ts";
import { codeOf } from "../core/errors.ts";
import { listed } from "../core/names.ts";
import { sweepGroups } from "../store/orphans.ts";
import { naturalOrder, type Store } from "../store.ts";
import { watch } from "./members.ts";
import { type GroupFacts, observeGroups, orphanGroup } from "./observe.ts";
import { type FindExecutable, spawn } from "./spawn.ts";

/** How long machines whose guests had answered may take to be connected again. */
const CONNECTED_MS = 20_000;
/** How long to wait for other machines, which may be at the beginning of their boot. */
const UNKNOWN_MS = 5_000;

/**
 * Adopts every machine of the groups in which one of these members is an orphan, and sweeps groups without a running
 * machine.
 * @returns the members that are served again.
 */
export async function adoptOrphans(store: Store, names: readonly string[], find: FindExecutable): Promise<string[]> {
  return (await adoptGroups(store, names, find)).flatMap(({ machinesAlive }) => machinesAlive);
}

/** The same, and waits until the machines run again, which takes a moment, because none boots. */
export async function adoptAndConnect(store: Store, names: readonly string[], find: FindExecutable): Promise<string[]> {
  const groups = await adoptGroups(store, names, find);
  await Promise.all(groups.map((group) => untilConnected(store, group)));
  return groups.flatMap(({ machinesAlive }) => machinesAlive);
}

/** The note about members that are served again. */
export function adoptedNote(names: readonly string[]): string {
  return `their holder was killed; adopted: ${listed([...names].sort(naturalOrder))}`;
}

/** Waits for a machine that another holder is adopting, such as the one that its guardian has started. */
export async function untilAdopted(store: Store, name: string): Promise<void> {
  using limit = new Limit(CONNECTED_MS);
  for await (const event of watch(store, name, limit.signal)) {
    if (event.event !== "member" || event.member.name !== name) continue;
    const { state, stage } = event.member;
    if (state !== "starting" || (stage !== "adoption" && stage !== "boot")) return;
  }
}

async function adoptGroups(store: Store, names: readonly string[], find: FindExecutable): Promise<GroupFacts[]> {
  await sweepGroups(store);
  const groups = observeGroups(store);
  const orphaned = new Set(names.map((name) => orphanGroup(groups, name)).filter((group) => group !== undefined));
  return await Promise.all([...orphaned].map(async (group) => {
    try {
      const orphans = group.machinesAlive.filter((name) => names.includes(name));
      await spawn(store, { exe: await find(store), names: orphans });
    } catch (thrown) {
      if (codeOf(thrown) !== "conflict") throw thrown; // else another command has just done the same
    }
    return group;
  }));
}

/** Waits until the machines are connected again; a guest that still boots continues. */
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
      if (state === "running" || state === "error") pending.delete(name); // it is "stopped" until the holder has looked at it
      if (pending.size === 0) return;
    }
  }
}
