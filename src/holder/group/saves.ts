/** What saves members of a group at one instant: checkpoints and suspensions, one at a time. */

import type { ProcessIdentity } from "../../system/process.ts";
import type { Store } from "../../store.ts";
import type { Member } from "../member/member.ts";
import type { GroupNetwork } from "../network/group_network.ts";
import type { EventHub } from "../server/events.ts";
import { takeCheckpoint } from "../snapshots/checkpoint.ts";
import { membersNamed, type SavedMoment } from "../snapshots/save_group.ts";
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
  hub: EventHub;
  /** Ends a member's machine without asking its guest; returns when its name is free. */
  end: (member: Member) => Promise<void>;
}

export class GroupSaves {
  #turn: Promise<unknown> = Promise.resolve();

  constructor(private readonly group: SavesContext) {}

  /** @throws {FleetboxError} as {@link takeCheckpoint} does */
  checkpoint(names: readonly string[], as: string, owner?: ProcessIdentity): Promise<void> {
    const { store, name, network, members, facts, hub } = this.group;
    return this.inTurn(async () => {
      const host = await facts();
      const its = membersNamed(members(), names);
      const { since, pausedMs } = await takeCheckpoint({ store, group: name, members: its, network, as, host, owner });
      const told = { event: "saved", what: "checkpoint", since: since.toISOString() } as const;
      hub.tell({ ...told, name: as, members: [...names], paused_ms: pausedMs });
    });
  }

  /** @throws {FleetboxError} as {@link suspendMembers} does */
  suspend(names: readonly string[]): Promise<void> {
    const { store, network, members, end, hub } = this.group;
    const onSaved = ({ since }: SavedMoment) =>
      hub.tell({ event: "saved", what: "suspend", since: since.toISOString(), members: [...names] });
    return this.inTurn(async () => {
      await this.group.facts();
      await suspendMembers({ store, members: membersNamed(members(), names), network, onSaved, end });
    });
  }

  /** Does what no save may come between. */
  inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {});
    return done;
  }
}
