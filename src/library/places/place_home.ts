/**
 * The store of a place, for machines of a program here. Everything that reads or changes the store is done there, by the
 * library there (`peer.ts`), which runs as long as the program has a group or a checkpoint of its own at the place.
 */

import { Carrier } from "../../control/places/carrier.ts";
import { PlaceConnection } from "../../control/places/connection.ts";
import { openPlaceStore } from "../../control/places/place_client.ts";
import type { Options } from "../../core/options.ts";
import type { MemberConfig, Store } from "../../store.ts";
import { type Place, placeStore } from "../../store/places.ts";
import type { CheckpointManifest } from "../../store/snapshots.ts";
import { exists, readIfThere, writeDurably } from "../../system/files.ts";
import type { ProcessIdentity } from "../../system/process.ts";
import type { MemberReport } from "../../wire.ts";
import type { Group, GroupRequest, Home } from "./home.ts";
import { isTraceAsked } from "../trace/mode.ts";
import type { Call, Calls } from "./calls.ts";
import { Peer } from "./peer.ts";
import { PlaceGroup } from "./place_group.ts";

/** Those of which it was said that their machines are not recorded. */
const TOLD_OF_TRACE = new Set<string>();

/** How a home at a place differs from the place itself. */
export interface Way {
  connection?: PlaceConnection;
  /** Further variables for the library there. */
  env?: Record<string, string>;
}

export class PlaceHome implements Home {
  readonly store: Store;
  readonly connection: PlaceConnection;
  readonly #env: Record<string, string>;
  #peer: Promise<Peer> | undefined;
  /** Who needs the peer: groups, checkpoints, calls. */
  readonly #users = new Set<unknown>();
  #groups = 0;
  /** Who has told the key. */
  #keyFrom: Peer | undefined;

  /** @param local the store of this host, in which the place is known */
  constructor(protected readonly local: Store, readonly place: Place, { connection, env = {} }: Way = {}) {
    this.connection = connection ?? new PlaceConnection(local, place);
    this.store = this.connection.shadow;
    this.#env = env;
  }

  get origin(): string {
    return placeStore(this.local, this.place.name).root;
  }

  async open(request: GroupRequest): Promise<{ group: Group; reports: MemberReport[] }> {
    tellOfTrace(this.place.name);
    return await this.openWith(request);
  }

  /** @param options with the paths that their files have there; those of the request are of this host. @default they are brought */
  protected async openWith(
    { signal, test: _, options: given, ...rest }: GroupRequest,
    options?: Options,
  ): Promise<{ group: Group; reports: MemberReport[] }> {
    const number = ++this.#groups;
    const group = new PlaceGroup(this, number, await this.#use(number));
    try {
      const fields = { ...rest, options: group.withoutPorts(options ?? await this.brought(given)) };
      const reports = await group.call("open", fields, signal);
      return { group, reports: await group.reached(reports, given) };
    } catch (thrown) {
      await group.close().catch(() => {}); // the first error says more
      throw thrown;
    }
  }

  /** Options with the paths that their files have there. */
  async brought(options: Options): Promise<Options> {
    await using carrier = new Carrier(this.connection, this.place);
    const one = async <O extends Options>(given: O): Promise<O> => ({
      ...given,
      ...(given.image === undefined ? {} : { image: await carrier.image(given.image) }),
      ...(given.fixtures === undefined ? {} : {
        fixtures: await each(given.fixtures, async (fixture) => {
          return { ...fixture, host_path: await carrier.directory(fixture.host_path) };
        }),
      }),
    });
    const { members } = options;
    const its = members && await each(members, async ({ names, options }) => ({ names, options: await one(options) }));
    return { ...await one(options), ...(its ? { members: its } : {}) };
  }

  async config(name: string): Promise<MemberConfig | undefined> {
    return await this.call("config", { name });
  }

  async standing(name: string): Promise<"stopped" | "suspended" | "absent"> {
    return await this.call("standing", { name });
  }

  async consoleSize(name: string): Promise<number> {
    return await this.call("consoleSize", { name });
  }

  async console(name: string, from: number): Promise<string> {
    return await this.call("console", { name, from });
  }

  async checkpoint(name: string): Promise<CheckpointManifest> {
    return await this.call("checkpoint", { name });
  }

  async findCheckpoint(name: string): Promise<CheckpointManifest | undefined> {
    return await this.call("findCheckpoint", { name });
  }

  async removeCheckpoint(name: string): Promise<void> {
    await this.call("removeCheckpoint", { name });
    await this.letGoOf(name);
  }

  /** The library there does it. */
  dropCheckpoint(): void {}

  commandLine(command: string, name: string): string {
    return `fleetbox ${command} ${name} --on ${this.place.name}`;
  }

  /**
   * A checkpoint that is about to be made, and goes with this program: the library there runs on for it.
   * @returns the process that it goes with; undefined: the library that makes it
   */
  holdCheckpoint(name: string): Promise<ProcessIdentity | undefined> {
    this.#users.add(checkpointUser(name));
    return Promise.resolve(undefined);
  }

  /** It was not made, or is no more. */
  async letGoOf(name: string): Promise<void> {
    await this.release(checkpointUser(name));
  }

  /** The key of the members, which the first machine there has made. */
  async fetchKey(peer: Peer): Promise<void> {
    if (this.#keyFrom === peer && exists(this.store.key)) return;
    const key = await peer.call("key", {});
    if (key !== readIfThere(this.store.key)) await writeDurably(this.store.key, key);
    this.#keyFrom = peer;
  }

  /** Asks the library there. */
  async call<C extends Call>(call: C, fields: Calls[C][0]): Promise<Calls[C][1]> {
    const user = Symbol(call);
    const peer = await this.#use(user);
    try {
      return await peer.call(call, fields);
    } finally {
      await this.release(user);
    }
  }

  async #use(user: unknown): Promise<Peer> {
    this.#users.add(user);
    try {
      return await (this.#peer ??= this.#start());
    } catch (thrown) {
      await this.release(user);
      throw thrown;
    }
  }

  #start(): Promise<Peer> {
    const forget = () => {
      if (this.#peer === starting) this.#peer = undefined;
    };
    const starting = this.#connect();
    starting.then((peer) => peer.ended).then(forget, forget);
    return starting;
  }

  async #connect(): Promise<Peer> {
    await this.connection.open({ quietly: true });
    await openPlaceStore(this.place, this.connection);
    return await Peer.start(this.connection, this.place, this.#env);
  }

  /** Nobody needs the library there any more: it ends. */
  async release(user: unknown): Promise<void> {
    this.#users.delete(user);
    if (this.#users.size > 0) return;
    const peer = this.#peer;
    this.#peer = undefined;
    await (await peer?.catch(() => undefined))?.close();
    await this.hasEnded();
  }

  /** Nobody uses it now. */
  protected async hasEnded(): Promise<void> {}

  /** Whether the library there runs for it. */
  protected get isInUse(): boolean {
    return this.#peer !== undefined;
  }
}

const checkpointUser = (name: string) => `checkpoint ${name}`;

/** Says once that they are not recorded, when that is asked for. */
export function tellOfTrace(place: string): void {
  if (!isTraceAsked() || TOLD_OF_TRACE.has(place)) return;
  TOLD_OF_TRACE.add(place);
  console.error(
    `fleetbox: FLEETBOX_TRACE has no effect on machines at "${place}"; record them there: ` +
      `fleetbox trace start NAME --on ${place}`,
  );
}

async function each<T>(all: readonly T[], work: (one: T) => Promise<T>): Promise<T[]> {
  const done: T[] = [];
  for (const one of all) done.push(await work(one));
  return done;
}
