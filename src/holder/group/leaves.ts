/** Members that leave their group: each keeps its name until it has let go of everything; the last one ends the group. */

import { removeIfUnmade } from "../../store/unmade.ts";
import { exists } from "../../system/files.ts";
import type { Store } from "../../store.ts";
import { describe, log } from "../log.ts";
import type { Member } from "../member/member.ts";
import { giveBackReplaced } from "../snapshots/replaced.ts";
import type { GroupNetwork } from "../network/group_network.ts";
import type { EventHub } from "../server/events.ts";
import type { Claims } from "./claims.ts";
import type { FirstBoot } from "./first_boot.ts";
import type { Identities } from "./identities.ts";
import type { GroupLife } from "./life.ts";
import type { RecordWriter } from "./record_writer.ts";

/** The group's part. */
interface LeavesContext {
  store: Store;
  roster: Map<string, Member>;
  /** The group's members, stopped ones included. */
  belongs: Set<string>;
  identities: Identities;
  claims: Claims;
  network: GroupNetwork;
  life: GroupLife;
  firstBoot: FirstBoot;
  hub: EventHub;
  record: RecordWriter;
  /** Ends the group. */
  finish: () => Promise<void>;
}

export class Leaves {
  /** By name. */
  readonly #open = new Map<string, Promise<void>>();

  constructor(private readonly group: LeavesContext) {}

  /** Returns when a leaving member's name is free. */
  async of(name: string): Promise<void> {
    await this.#open.get(name);
  }

  /** Releases a member; returns when its name is free. */
  async begin(member: Member): Promise<void> {
    const { roster, firstBoot } = this.group;
    const { name } = member;
    if (roster.get(name) !== member) return await this.of(name);
    roster.delete(name);
    firstBoot.left(member);
    const done = this.#letGo(member);
    this.#open.set(name, done);
    await done;
  }

  async #letGo(member: Member): Promise<void> {
    const { name, paths } = member;
    const { store, roster, belongs, identities, claims, network, life, hub, record, finish } = this.group;
    await giveBackReplaced(member);
    const ip = identities.of(name)?.ip;
    identities.release(name);
    if (ip && roster.size > 0 && life.isOpen) await network.unforward(ip);
    await claims.release(name);
    await removeIfUnmade(store, name).catch((thrown) => log(`${name}: ${describe(thrown)}`));
    if (!exists(paths.dir)) belongs.delete(name);
    this.#open.delete(name);
    hub.tell({ event: "gone", name });
    // If several leave together, the last one to be released ends the group.
    if (roster.size === 0 && this.#open.size === 0) await finish();
    else void record.note();
  }
}
