/**
 * Renaming a member that is down: its directory gets the new name, then its config. What is in the directory stays as it is,
 * its disk, layers below it, its console's log. Killed between the two steps, it is a member whose config has the old name:
 * doing it again completes it.
 */

import { FleetboxError } from "../core/errors.ts";
import { clusterOf } from "../core/names.ts";
import { join } from "../core/paths.ts";
import { exists, makeDirectory, readIfThere, storeError } from "../system/files.ts";
import { isAnswered } from "../system/sockets.ts";
import type { Store } from "../store.ts";
import { type MemberConfig, parseConfig } from "./config.ts";
import { checkIsHere } from "./elsewhere.ts";
import { hasMachine } from "./orphans.ts";
import { withSnapshotLock } from "./snapshots.ts";
import { isSuspended } from "./snapshots/suspended.ts";

/**
 * @throws {FleetboxError} `not-found`; `conflict`: it runs, or is suspended, or the name is taken; `damaged`; `no-space`, …: then
 * nothing has changed
 */
export async function renameMember(store: Store, from: string, to: string): Promise<void> {
  if (!store.readMember(from)) {
    if (!halfOf(store, from, to)) throw new FleetboxError("not-found", `There is no member "${from}"`);
    return await store.withMemberLock(to, () => writeName(store, halfOf(store, from, to)!, to));
  }
  if (store.readMember(to) || exists(store.member(to).dir)) throw taken(to);
  await store.withMemberLock(from, async () => {
    const config = store.config(from);
    if (!config) throw new FleetboxError("not-found", `There is no member "${from}"`);
    if (await isAnswered(store.memberSocket(from)) || hasMachine(store, from)) throw runs(from, to);
    await checkIsHere(store, from, `Cannot rename "${from}"`);
    if (isSuspended(store, from)) throw suspended(from, to);
    // What nobody reads is removed under this lock; for a moment it is not seen who reads this member's layers.
    await withSnapshotLock(store, async () => {
      await move(store, from, to);
      try {
        await writeName(store, config, to);
      } catch (thrown) {
        await move(store, to, from);
        throw thrown;
      }
    });
  });
}

async function move(store: Store, from: string, to: string): Promise<void> {
  const [before, after] = [store.member(from).dir, store.member(to).dir];
  try {
    makeDirectory(join(after, ".."));
    await Deno.rename(before, after);
  } catch (cause) {
    if (exists(before) && exists(after)) throw taken(to);
    throw storeError(`Cannot rename "${from}" (${before})`, cause);
  }
  if (clusterOf(from) === clusterOf(to)) return;
  await Deno.remove(join(before, "..")).catch(() => {}); // the cluster's directory has other members
}

/** A member that had no host name of its own is called by its new name on its network. */
async function writeName(store: Store, config: MemberConfig, to: string): Promise<void> {
  const { host_name: hostName, ...others } = config;
  const { dir } = store.member(to);
  for (const link of ["qmp.sock", "net.sock"]) {
    await Deno.remove(join(dir, link)).catch(() => {}); // they lead to sockets that have the old name; the config makes new ones
  }
  await store.writeConfig({ ...others, name: to, ...(hostName && hostName !== to ? { host_name: hostName } : {}) });
}

/** The config of a rename that was killed before its second step. */
function halfOf(store: Store, from: string, to: string): MemberConfig | undefined {
  try {
    return parseConfig(readIfThere(store.member(to).config) ?? "", from);
  } catch {
    return undefined;
  }
}

function taken(to: string): FleetboxError {
  return new FleetboxError("conflict", `There is a member "${to}" already`, {
    hint: `Choose another name, or remove that one: fleetbox rm ${to}`,
  });
}

function runs(from: string, to: string): FleetboxError {
  return new FleetboxError("conflict", `Cannot rename "${from}": it runs, and its group knows it by its name`, {
    hint: `Stop it first: fleetbox stop ${from} && fleetbox rename ${from} ${to} && fleetbox up ${to}`,
  });
}

function suspended(from: string, to: string): FleetboxError {
  return new FleetboxError("conflict", `Cannot rename "${from}": it is suspended, and its guest knows its name`, {
    hint: `Shut it down first: fleetbox up ${from} && fleetbox stop ${from} && fleetbox rename ${from} ${to}`,
  });
}
