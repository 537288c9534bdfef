/** The members' rights to use the gateway: in their configs and, during a boot, here. */

import type { Options } from "../../core/options.ts";
import type { GroupRecord, MemberConfig, Store } from "../../store.ts";
import { savedMemberFor } from "../snapshots/sources.ts";
import { decideUse, type GatewayUse, isOpen, keptUse } from "./egress.ts";
import { ConfigsOfTurn } from "./identities.ts";

export class GroupUses {
  /** The rights of booting members, until their configs have them. */
  readonly #booting = new Map<string, GatewayUse>();
  readonly #configs: ConfigsOfTurn;

  /**
   * @param belongs the group's members, with stopped ones, which return to this network.
   * @param earlier the record of the adopted group, for members of an earlier version.
   * @param configOf the config of a served member.
   */
  constructor(
    private readonly store: Store,
    private readonly belongs: ReadonlySet<string>,
    private readonly earlier: GroupRecord | undefined,
    private readonly configOf: (name: string) => MemberConfig | undefined,
  ) {
    this.#configs = new ConfigsOfTurn(store);
  }

  all(but?: string): GatewayUse[] {
    return [...this.belongs].flatMap((name) => name === but ? [] : this.#of(name) ?? []);
  }

  /** Whether the gateway must let something through for any member: its rights, or answers of a forwarded UDP port. */
  needOpenGateway(): boolean {
    const hasUdp = ({ forwards = [] }: MemberConfig) => forwards.some(({ protocol }) => protocol === "udp");
    return this.all().some(isOpen) || [...this.belongs].some((name) => {
      const config = this.#configs.of(name);
      return config !== undefined && hasUdp(config);
    });
  }

  #of(name: string): GatewayUse | undefined {
    const known = this.#booting.get(name);
    if (known) return known;
    const served = this.configOf(name);
    if (served) return keptUse(served, this.earlier);
    const stored = this.#configs.of(name);
    return stored && keptUse(stored, this.earlier);
  }

  /** A boot's options with the member's rights; they are kept here until {@link decided}. */
  decide(name: string, options: Options): Options {
    // What a group's members have counts for those that have its options.
    const others = options.inherit === false ? [] : this.all(name);
    const use = decideUse(options, this.#of(name) ?? this.#saved(name, options), others);
    this.#booting.set(name, use);
    return { ...options, ...use };
  }

  /** The rights of a member that is made from a checkpoint, at the save: a fork is no more open than its original was. */
  #saved(name: string, options: Options): GatewayUse | undefined {
    try {
      const saved = savedMemberFor(this.store, name, options);
      return saved && keptUse(saved.config);
    } catch {
      return { egress: "off", host_access: false }; // its boot tells what is wrong with the checkpoint
    }
  }

  /** The member's config has its rights now, or the member is gone. */
  decided(name: string): void {
    this.#booting.delete(name);
  }

  /** Gives members of an earlier version their group's rights. */
  async settle(record: GroupRecord): Promise<void> {
    const { store } = this;
    await Promise.all(record.members.map(async (name) => {
      const stored = store.readMember(name);
      if (!stored || "damage" in stored || (stored.config.egress && stored.config.host_access !== undefined)) return;
      await store.withMemberLock(name, async () => {
        const config = store.config(name);
        if (config) await store.writeConfig({ ...config, ...keptUse(config, record) });
      });
    }));
  }
}
