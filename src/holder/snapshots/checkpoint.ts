/** A checkpoint: members of a group, saved at one instant under a name, to be forked and restored. The group goes on. */

import { checkName } from "../../core/names.ts";
import type { ProcessIdentity } from "../../system/process.ts";
import { join } from "../../core/paths.ts";
import { makeDirectory } from "../../system/files.ts";
import type { Store } from "../../store.ts";
import { checkNew, discardMaking, newMaking, publishCheckpoint, snapshotFilesIn } from "../../store/snapshots.ts";
import type { Member } from "../member/member.ts";
import type { GroupNetwork } from "../network/group_network.ts";
import { type SavedMoment, saveGroup } from "./save_group.ts";

export interface CheckpointRequest {
  store: Store;
  /** The group's name. */
  group: string;
  members: readonly Member[];
  network: GroupNetwork;
  as: string;
  /** What a restore must find equal of hypervisor and host. */
  host: string;
  /** The program with which it goes. */
  owner?: ProcessIdentity;
}

/**
 * Makes a checkpoint; returns when it can be used.
 * @throws {FleetboxError} `conflict`: there is one of that name, or a member does not run; `no-space`, with the room that it
 *   needs; … Nothing is left of it then.
 */
export async function takeCheckpoint(
  { store, group, members, network, as, host, owner }: CheckpointRequest,
): Promise<SavedMoment> {
  checkName(as);
  checkNew(store, as);
  const making = newMaking(store);
  try {
    const filesOf = (name: string) => snapshotFilesIn(join(making, name));
    for (const { name } of members) makeDirectory(filesOf(name).dir);
    const moment = await saveGroup({ members, network, filesOf, freezes: true });
    const configs = members.map(({ config }) => config!);
    const [basedOn, ...others] = new Set(configs.map(({ from_checkpoint }) => from_checkpoint));
    await publishCheckpoint(store, making, {
      name: as,
      group,
      host,
      members: configs,
      basedOn: others.length > 0 ? undefined : basedOn,
      owner,
    });
    return moment;
  } catch (thrown) {
    await discardMaking(making);
    throw thrown;
  }
}
