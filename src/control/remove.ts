/** Removing members, for the command line and the library: what is left of a bound group first, then the disk, then logs. */

import { exists, removeIfThere } from "../system/files.ts";
import type { Store } from "../store.ts";
import { completeRecords, fateOf, liveMembers } from "../store/orphans.ts";
import { removeMember } from "../store/remove.ts";
import { endProcesses } from "../system/end_processes.ts";
import { observeGroups } from "./observe.ts";

/** Whether the store holds anything of a member: a config, a disk, or what a start left that was interrupted. */
export function isInStore(store: Store, name: string): boolean {
  return exists(store.member(name).dir);
}

/**
 * Deletes a member that nobody serves, disk and all; one that is not there is fine.
 * @throws {FleetboxError} `conflict`: somebody serves it, or its machine still runs.
 */
export async function removeStopped(store: Store, name: string): Promise<void> {
  if (!isInStore(store, name)) return;
  await endDoomed(store, name);
  await removeMember(store, name);
}

/** A machine of a bound group dies with its holder: one that is still dying, or that no system ends with it, is ended. */
async function endDoomed(store: Store, name: string): Promise<void> {
  const doomed = completeRecords(store).filter((record) =>
    record.bound && fateOf(record) === "sweep" && liveMembers(record).includes(name)
  );
  await endProcesses(doomed.map(({ hypervisors }) => hypervisors[name]), `The machine of "${name}"`);
}

/** The names after which logs of holders may be called that served these members. Asked before anything is stopped. */
export function logNames(store: Store, names: readonly string[]): string[] {
  const groups = observeGroups(store).filter(({ members }) => members.some((name) => names.includes(name)));
  return [...new Set([...names, ...groups.flatMap(({ group, members }) => [group, ...members])])];
}

/** Deletes the logs of holders that are called so, where the member is gone and no live group may be writing. */
export function removeLogs(store: Store, names: readonly string[]): void {
  const live = observeGroups(store).filter(({ holderAlive }) => holderAlive);
  for (const name of names) {
    const isUsed = live.some(({ group, members }) => group === name || members.includes(name));
    if (!isUsed && !isInStore(store, name)) removeIfThere(store.holderLog(name));
  }
}
