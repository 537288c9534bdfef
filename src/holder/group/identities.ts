/** Who is who on the group's network: the identities of the members that the holder serves, and what DNS says of them. */

import { type Options, optionsOf } from "../../core/options.ts";
import type { MemberConfig, Store } from "../../store.ts";
import { savedMemberFor } from "../snapshots/sources.ts";
import { decideHostName, decideIdentity, type Identity, identityOf, type Neighbour } from "../member/identity.ts";

/**
 * Members' configs, each read once in a turn of the event loop: when a group of many begins, each of its members asks for those
 * of all others.
 */
export class ConfigsOfTurn {
  readonly #read = new Map<string, MemberConfig | undefined>();

  constructor(private readonly store: Store) {}

  of(name: string): MemberConfig | undefined {
    if (this.#read.size === 0) queueMicrotask(() => this.#read.clear());
    if (!this.#read.has(name)) this.#read.set(name, configOf(this.store, name));
    return this.#read.get(name);
  }
}

export class Identities {
  readonly #served = new Map<string, Neighbour>();
  readonly #configs: ConfigsOfTurn;

  constructor(private readonly store: Store) {
    this.#configs = new ConfigsOfTurn(store);
  }

  of(name: string): Identity | undefined {
    return this.#served.get(name);
  }

  /**
   * The identity of a member, until it is released.
   * @param belongs who belongs to the group, stopped ones included: their addresses and host names are kept for them.
   * @throws {FleetboxError} as {@link decideIdentity} does
   */
  assign(name: string, belongs: Iterable<string>, options: Options): Identity {
    const { host_names, ip } = optionsOf(options, name);
    const known = this.#served.get(name);
    if (known) return known;
    const away = [...belongs].filter((other) => other !== name && !this.#served.has(other));
    const neighbours = away.flatMap((other) => this.#configs.of(other) ?? []).map(identityOf);
    const before = savedConfig(this.store, name, options) ?? this.#configs.of(name);
    const asked = { hostName: host_names?.[name], ip };
    const identity = decideIdentity(name, before, asked, [...this.#served.values()], neighbours);
    this.#served.set(name, { name, ...identity });
    return identity;
  }

  /** The identity of a machine that runs, as its config says it. */
  adopt(name: string): Identity | undefined {
    const config = configOf(this.store, name);
    if (config) this.#served.set(name, identityOf(config));
    return this.of(name);
  }

  release(name: string): void {
    this.#served.delete(name);
  }

  /** What is known by members' names, by their addresses; of those that have none, nothing. */
  byAddress<T>(known: Record<string, T>): Map<string, T> {
    return new Map(
      Object.entries(known).flatMap(([name, value]) => {
        const ip = this.#served.get(name)?.ip;
        return ip ? [[ip, value] as const] : [];
      }),
    );
  }

  /** The address that a word stands for: a host name or a name in the store. */
  addressOf(word: string, isActive: (name: string) => boolean): string | undefined {
    const active = [...this.#served.values()].filter(({ name }) => isActive(name));
    return (active.find(({ hostName }) => hostName === word) ?? active.find(({ name }) => name === word))?.ip;
  }

  hostNameAt(address: string, isActive: (name: string) => boolean): string | undefined {
    return [...this.#served.values()].find(({ ip, name }) => ip === address && isActive(name))?.hostName;
  }
}

/**
 * Checks the host names of a group before anything of it is there.
 * @param names who is to be booted.
 * @param others who belongs to it besides.
 * @throws {FleetboxError} as {@link decideHostName} does
 */
export function checkHostNames(
  store: Store,
  names: readonly string[],
  others: readonly string[],
  options: Options,
): void {
  const known = others.filter((name) => !names.includes(name)).flatMap((name) => configOf(store, name) ?? [])
    .map(identityOf) as Pick<Neighbour, "name" | "hostName">[];
  for (const name of names) {
    const before = savedConfig(store, name, options) ?? configOf(store, name);
    const hostName = decideHostName(name, before, options.host_names?.[name], known);
    known.push({ name, hostName });
  }
}

/** What a member of a checkpoint was, and is to be again. */
function savedConfig(store: Store, name: string, options: Options): MemberConfig | undefined {
  const saved = savedMemberFor(store, name, options);
  return saved && { ...saved.config, name, host_name: saved.host_name };
}

/** A damaged one's own boot tells. */
function configOf(store: Store, name: string): MemberConfig | undefined {
  const stored = store.readMember(name);
  return stored && "config" in stored ? stored.config : undefined;
}
