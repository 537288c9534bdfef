/**
 * Suspends members: their machines are saved beside their disks at one instant, and ended. The next start goes on from there.
 *
 * The states appear while all are paused. A machine that goes on nevertheless, because a later step failed or its
 * holder was killed, has its state removed before it runs: it must never be loaded beside a disk that has changed.
 */

import type { Store } from "../../store.ts";
import { discardSuspended, publishSuspended, type SavedPaths, suspendedMaking } from "../../store/snapshots.ts";
import type { Member } from "../member/member.ts";
import type { GroupNetwork } from "../network/group_network.ts";
import { type SavedMoment, saveGroup } from "./save_group.ts";

export interface SuspendRequest {
  store: Store;
  members: readonly Member[];
  network: GroupNetwork;
  /** Called when all are saved, and before they are ended. */
  onSaved: (moment: SavedMoment) => void;
  /** Ends a member whose state is saved; returns when its name is free. */
  end: (member: Member) => Promise<void>;
}

/** @throws {FleetboxError} why it cannot be done; the machines go on then */
export async function suspendMembers({ store, members, network, onSaved, end }: SuspendRequest): Promise<void> {
  const making = new Map(members.map(({ name }) => [name, suspendedMaking(store, name)]));
  try {
    const moment = await saveGroup({
      members,
      network,
      filesOf: (name) => making.get(name)!,
      freezes: false,
      goesOn: false,
      whilePaused: () => publishAll(store, making),
    });
    onSaved(moment);
  } catch (thrown) {
    for (const { dir } of making.values()) await Deno.remove(dir, { recursive: true }).catch(() => {}); // else swept
    throw thrown;
  }
  await Promise.all(members.map(end));
}

/** Makes all of them visible, or none: those of machines that go on are out of sight before these run. */
async function publishAll(store: Store, making: ReadonlyMap<string, SavedPaths>): Promise<void> {
  try {
    for (const [name, files] of making) await publishSuspended(store, name, files);
  } catch (thrown) {
    for (const name of making.keys()) await discardSuspended(store, name);
    throw thrown;
  }
}
