/** Removes members, for the command line and the library: remains of a bound group first, then the disk, then logs. */

import { exists, removeIfThere } from "../system/files.ts";
import type { Store } from "../store.ts";
import { completeRecords, fateOf, liveMembers } from "../store/orphans.ts";
import { removeMember } from "../store/remove.ts";
import { isSuspended } from "../store/snapshots/suspended.ts";
import { endProcesses } from "../system/end_processes.ts";
import { observeGroups } from "./observe.ts";

/** Whether the store has anything of a member: a config, a disk, or remains of an interrupted start. */
export function isInStore(store: Store, name: string): boolean {
  return exists(store.member(name).dir);
}

/**
 * Deletes a member that no holder serves, with its disk, if it exists.
 * @throws {FleetboxError} `conflict`: a holder serves it, or its machine still runs.
 */
export async function removeStopped(store: Store, name: string): Promise<void> {
  if (!isInStore(store, name)) return;
  await endDoomed(store, name);
  await removeMember(store, name);
}

/**
 * A bound group's machines die with their holder: ends those that are still dying, or that the system does not end. Ends also a
 * machine without a holder that has not gone on from its saved state: nothing runs in it.
 */
async function endDoomed(store: Store, name: string): Promise<void> {
  const isPaused = isSuspended(store, name);
  const doomed = completeRecords(store).filter((record) =>
    liveMembers(record).includes(name) &&
    (record.bound ? fateOf(record) === "sweep" : isPaused && fateOf(record) === "adopt")
  );
  await endProcesses(doomed.map(({ hypervisors }) => hypervisors[name]), `The machine of "${name}"`);
}

/** The names of the logs of holders that served these members. Call it before anything is stopped. */
export function logNames(store: Store, names: readonly string[]): string[] {
  const groups = observeGroups(store).filter(({ members }) => members.some((name) => names.includes(name)));
  return [...new Set([...names, ...groups.flatMap(({ group, members }) => [group, ...members])])];
}

/** Deletes holders' logs with these names, where the member is gone and no live group may be writing. */
export function removeLogs(store: Store, names: readonly string[]): void {
  const live = observeGroups(store).filter(({ holderAlive }) => holderAlive);
  for (const name of names) {
    const isUsed = live.some(({ group, members }) => group === name || members.includes(name));
    if (!isUsed && !isInStore(store, name)) removeIfThere(store.holderLog(name));
  }
}
