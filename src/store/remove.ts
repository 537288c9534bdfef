/**
 * Removing a member: the one place that deletes a disk.
 *
 * Both halves use it: `rm`, an `up` that is undone, the library's cleanup, a holder after a failed first boot and at
 * the end of its client. Under the member's lock it checks once more whether the disk is in use: by the member's
 * socket, and by the processes, because a machine can run without a holder and without a record. A disk in use is never
 * deleted. The layers that its disk was based on go, too, when nothing else reads them (`snapshots.ts`).
 */

import { FleetboxError, isNotFound } from "../core/errors.ts";
import { join } from "../core/paths.ts";
import { isAnswered } from "../system/sockets.ts";
import { exists, namesIn, removeIfThere, storeError, temporaryOf } from "../system/files.ts";
import { DISK_FILE, diskNumber, diskOf, isWriteLog, writeLogOf } from "./disk.ts";
import { machineSockets, type MemberConfig, type Store } from "../store.ts";
import { checkIsHere } from "./elsewhere.ts";
import { hasMachine } from "./orphans.ts";
import { collectLayers } from "./snapshots.ts";

interface RemoveOptions {
  /** The caller is the holder that serves the member: an answer at its socket is its own. @default false */
  isServedHere?: boolean;
  /** Called under the lock: false keeps the member. */
  isStillWanted?: () => boolean;
}

/**
 * Removes a member with its disk; true when there was something to remove.
 * @throws {FleetboxError} `conflict`: it is served, or its machine runs; `denied`, `failed`: it cannot be deleted
 */
export async function removeMember(store: Store, name: string, options: RemoveOptions = {}): Promise<boolean> {
  if (!exists(store.member(name).dir)) return false;
  let hadLayers = false;
  const isRemoved = await store.withMemberLock(name, async () => {
    if (options.isStillWanted && !options.isStillWanted()) return false;
    if (!options.isServedHere && await isAnswered(store.memberSocket(name))) {
      throw inUse(name, "it was started again", `Stop it first: fleetbox stop ${name}`);
    }
    if (!options.isServedHere) await checkIsHere(store, name, `Cannot remove "${name}"`);
    // Its holder may have died a moment ago: only the process counts.
    if (hasMachine(store, name)) {
      throw inUse(name, "its machine still runs", `End it first: fleetbox stop --force ${name}`);
    }
    const stored = store.readMember(name);
    hadLayers = stored !== undefined && ("damage" in stored || stored.config.layers !== undefined);
    await deleteMember(store, name);
    return true;
  });
  // What fails here is no failure of the removal: the layers go with the next ones.
  if (hadLayers) await collectLayers(store).catch(() => {});
  return isRemoved;
}

/** Removes the disks that a member had before its present one, which its user has asked to be replaced. */
export function removeOtherDisks(store: Store, config: MemberConfig): void {
  const own = diskOf(store, config);
  removeWhere(store, config, (name, path) => DISK_FILE.test(name) && path !== own);
}

/**
 * Removes the disks that were made for a member, and that its config does not name yet: what made them was killed, or failed. Their
 * numbers are above that of its own disk, and nothing has been written to them. The caller holds the member's lock, for
 * its holder makes such disks, too.
 */
export function removeUnnamedDisks(store: Store, config: MemberConfig): void {
  const own = diskNumber(config.disk_file);
  removeWhere(store, config, (name) => DISK_FILE.test(name) && diskNumber(name) > own);
}

/** Removes the logs of writes of a member, except that of its present disk. The caller holds the member's lock. */
export function removeOldWriteLogs(store: Store, config: MemberConfig): void {
  const own = writeLogOf(store, config);
  removeWhere(store, config, (name, path) => isWriteLog(name) && path !== own);
}

/** Removes the files in a member's directory for which this is true. */
function removeWhere(store: Store, member: MemberConfig, isLeft: (name: string, path: string) => boolean): void {
  const { dir } = store.member(member.name);
  for (const name of namesIn(dir)) {
    const path = join(dir, name);
    if (isLeft(name, path)) removeIfThere(path);
  }
}

async function deleteMember(store: Store, name: string): Promise<void> {
  const paths = store.member(name);
  const { dir } = paths;
  // Renamed first, so that the member is gone even if the deletion is interrupted.
  const doomed = temporaryOf(join(store.clustersDir, `.removed-${name}`));
  try {
    await Deno.rename(dir, doomed);
  } catch (cause) {
    if (!isNotFound(cause)) throw storeError(`Cannot remove "${name}" (${dir})`, cause);
    return;
  }
  await Deno.remove(doomed, { recursive: true });
  for (const socket of machineSockets(paths)) removeIfThere(socket);
  await store.withClaimLock(async () => {
    // Another process may have claimed the name meanwhile, or its holder removes it while it holds the claim.
    if (!await isAnswered(paths.socket)) removeIfThere(paths.socket);
  });
  try {
    await Deno.remove(join(dir, "..")); // the cluster's directory, when this was its last member
  } catch { /* it has other members */ }
}

function inUse(name: string, why: string, hint: string): FleetboxError {
  return new FleetboxError("conflict", `Cannot remove "${name}": ${why}`, { hint });
}
