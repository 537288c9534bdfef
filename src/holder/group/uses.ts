/** What the members of a group may use the gateway for: in their configs, and, while they are being booted, here. */

import type { Options } from "../../core/options.ts";
import type { GroupRecord, MemberConfig, Store } from "../../store.ts";
import { decideUse, type GatewayUse, keptUse } from "./egress.ts";

export class GroupUses {
  /** What members that are being booted have, until it stands in their configs. */
  readonly #booting = new Map<string, GatewayUse>();

  /**
   * @param belongs the group's members, stopped ones too, for they come back to this network.
   * @param earlier the record of the group that was taken back: what it says of members of an earlier version.
   * @param configOf of a member that is served.
   */
  constructor(
    private readonly store: Store,
    private readonly belongs: ReadonlySet<string>,
    private readonly earlier: GroupRecord | undefined,
    private readonly configOf: (name: string) => MemberConfig | undefined,
  ) {}

  all(but?: string): GatewayUse[] {
    return [...this.belongs].flatMap((name) => name === but ? [] : this.#of(name) ?? []);
  }

  #of(name: string): GatewayUse | undefined {
    const known = this.#booting.get(name);
    if (known) return known;
    const served = this.configOf(name);
    if (served) return keptUse(served, this.earlier);
    const stored = this.store.readMember(name);
    return stored && "config" in stored ? keptUse(stored.config, this.earlier) : undefined;
  }

  /** The options of a boot, with what the member may use the gateway for decided; it holds until {@link decided}. */
  decide(name: string, options: Options): Options {
    const use = decideUse(options, this.#of(name), this.all(name));
    this.#booting.set(name, use);
    return { ...options, ...use };
  }

  /** It stands in the member's config now, or the member is gone. */
  decided(name: string): void {
    this.#booting.delete(name);
  }

  /** Members of an earlier version: what was their group's is theirs from now on. */
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
