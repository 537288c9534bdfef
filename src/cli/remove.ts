/** Deleting members: the steps that `rm` and an undone `up` share. */

import { getStatus } from "../control.ts";
import { FleetboxError } from "../core/errors.ts";
import { hasMachine } from "../store/orphans.ts";
import { exists, removeIfThere, type Store } from "../store.ts";
import { observeGroups } from "../control/observe.ts";

/** Whether the store holds anything of a member: a config, a disk, or what a start left that was interrupted. */
export function isInStore(store: Store, name: string): boolean {
  return exists(store.member(name).dir);
}

/**
 * Deletes a member that nobody serves, disk and all.
 * @throws {FleetboxError} `conflict`: somebody serves it, or its machine still runs.
 */
export async function removeStopped(store: Store, name: string): Promise<void> {
  if (!isInStore(store, name)) return;
  await store.withMemberLock(name, async () => {
    if (await getStatus(store, name)) throw inUse(name, "it was started again");
    // Its holder may have died a moment ago, in the middle of taking it over: what counts is the process.
    if (hasMachine(store, name)) throw inUse(name, "its machine still runs");
    await store.removeMember(name);
  });
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

function inUse(name: string, why: string): FleetboxError {
  return new FleetboxError("conflict", `Cannot remove "${name}": ${why}`, { hint: `fleetbox stop ${name}` });
}
