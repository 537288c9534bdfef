/** What saves members of a group at one instant: checkpoints and suspensions, one at a time. */

import type { ProcessIdentity } from "../../system/process.ts";
import type { Store } from "../../store.ts";
import type { Member } from "../member/member.ts";
import type { GroupNetwork } from "../network/group_network.ts";
import { takeCheckpoint } from "../snapshots/checkpoint.ts";
import { membersNamed } from "../snapshots/save_group.ts";
import { suspendMembers } from "../snapshots/suspend.ts";

/** The group's part. */
interface SavesContext {
  store: Store;
  /** The group's name. */
  name: string;
  network: GroupNetwork;
  members: () => readonly Member[];
  /** What a restore must find equal of hypervisor and host. @throws {FleetboxError} `unavailable`: none can be made here */
  facts: () => Promise<string>;
  /** Ends a member's machine without asking its guest; returns when its name is free. */
  end: (member: Member) => Promise<void>;
}

export class GroupSaves {
  #turn: Promise<unknown> = Promise.resolve();

  constructor(private readonly group: SavesContext) {}

  /** @throws {FleetboxError} as {@link takeCheckpoint} does */
  checkpoint(names: readonly string[], as: string, owner?: ProcessIdentity): Promise<void> {
    const { store, name, network, members, facts } = this.group;
    return this.inTurn(async () => {
      const host = await facts();
      await takeCheckpoint({ store, group: name, members: membersNamed(members(), names), network, as, host, owner });
    });
  }

  /** @throws {FleetboxError} as {@link suspendMembers} does */
  suspend(names: readonly string[]): Promise<void> {
    const { store, network, members, end } = this.group;
    return this.inTurn(async () => {
      await this.group.facts();
      await suspendMembers({ store, members: membersNamed(members(), names), network, end });
    });
  }

  /** Does what no save may come between. */
  inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {});
    return done;
  }
}
