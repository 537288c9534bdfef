/**
 * A group at a place: brought up and changed by the library there, used from here. Its machines' SSH ports, and those that
 * were forwarded, are ports of this host's loopback that lead there through the place's connection.
 */

import { stopForwardingMember } from "../../control/places/place_client.ts";
import { FleetboxError } from "../../core/errors.ts";
import { type ForwardWish, type Options, optionsOf, type PortForward, type SnapshotWish } from "../../core/options.ts";
import type { Loss } from "../../core/power_cut.ts";
import type { CheckpointManifest } from "../../store/snapshots.ts";
import { freePort } from "../../system/free_port.ts";
import { ProcessError } from "../../system/process.ts";
import type { MemberReport, PowerCutEvent } from "../../wire.ts";
import type { Group, SaveWish } from "./home.ts";
import type { RebootOptions, RestoreOptions } from "../types.ts";
import type { Call, Calls } from "./calls.ts";
import type { Peer } from "./peer.ts";
import type { PlaceHome } from "./place_home.ts";

/** How often another free port is tried: between its choice and its use another program may take it. */
const TRIES = 5;

/** A port here that leads to one there. */
interface Led {
  here: number;
  there: number;
  end: AsyncDisposable;
}

/** SSH's port in the guest, whatever it is there. */
const SSH = 0;

export class PlaceGroup implements Group {
  readonly trace = undefined;
  /** By the member's name, and the guest's port. */
  readonly #ports = new Map<string, Map<number, Promise<Led>>>();
  #closing: Promise<void> | undefined;

  /** @param number the group's, there */
  constructor(readonly home: PlaceHome, private readonly number: number, private readonly peer: Peer) {}

  async call<C extends Call>(call: C, fields: Calls[C][0], signal?: AbortSignal): Promise<Calls[C][1]> {
    return await this.peer.call(call, fields, { group: this.number, signal });
  }

  /** Options without ports of this host, which are none of that one. */
  withoutPorts<O extends Options>(options: O): O {
    const { publish, members } = options;
    const free = publish?.map(({ host_port: _, ...wish }) => wish);
    const its = members?.map(({ names, options }) => ({ names, options: this.withoutPorts(options) }));
    return { ...options, ...(free ? { publish: free } : {}), ...(its ? { members: its } : {}) };
  }

  /** Reports of machines that have come up, as they are reached from here. @param options with the ports of this host that lead to them */
  async reached(reports: readonly MemberReport[], options?: Options): Promise<MemberReport[]> {
    await this.home.fetchKey(this.peer);
    return await Promise.all(reports.map(async (report) => {
      await this.#leadAgain(report);
      for (const wish of (options && optionsOf(options, report.name).publish) ?? []) {
        if (wish.host_port !== undefined) await this.forward(report.name, wish);
      }
      return await this.#withPort(report);
    }));
  }

  async add(name: string, asked: Options, signal?: AbortSignal): Promise<MemberReport> {
    const fields = { name, asked: this.withoutPorts(await this.home.brought(asked)) };
    const report = await this.call("add", fields, signal);
    try {
      return (await this.reached([report], asked))[0];
    } catch (thrown) {
      await this.release(name);
      throw thrown;
    }
  }

  async start(name: string, { signal, ...request }: RebootOptions): Promise<MemberReport> {
    return (await this.reached([await this.call("start", { name, request }, signal)]))[0];
  }

  async suspend(names: readonly string[]): Promise<void> {
    await this.call("suspend", { names });
  }

  async checkpoint(
    names: readonly string[],
    { as, isOurs, signal }: SaveWish,
  ): Promise<CheckpointManifest> {
    const owner = isOurs ? await this.home.holdCheckpoint(as) : undefined;
    try {
      return await this.call("save", { names, as, isOurs: isOurs && !owner, owner }, signal);
    } catch (thrown) {
      if (isOurs) await this.home.letGoOf(as);
      throw thrown;
    }
  }

  async restore(wish: SnapshotWish, { signal, ...request }: RestoreOptions): Promise<MemberReport[]> {
    return await this.reached(await this.call("restore", { wish, request }, signal));
  }

  async report(name: string, reach?: boolean): Promise<MemberReport | undefined> {
    const report = await this.call("report", { name, reach });
    return report && await this.#withPort(report);
  }

  async stop(name: string, { graceMs, signal }: { graceMs?: number; signal?: AbortSignal }): Promise<void> {
    await this.call("stop", { name, graceMs }, signal);
  }

  async forward(name: string, wish: ForwardWish): Promise<PortForward> {
    const { host_port, ...there } = wish;
    const made = await this.call("forward", { name, wish: there });
    return { ...made, host_port: (await this.#lead(name, wish.guest_port, made.host_port, host_port)).here };
  }

  async kill(name: string, loss?: Loss): Promise<PowerCutEvent | undefined> {
    return await this.call("kill", { name, loss });
  }

  async destroy(name: string): Promise<void> {
    await this.#end("destroy", { name });
    await this.#leave(name);
  }

  async keep(name: string): Promise<[what: string, path: string][]> {
    const paths = await this.call("keep", { name });
    return paths.map(([what, path]) => [what, `${this.home.place.name}:${path}`]);
  }

  async release(name: string): Promise<void> {
    await this.#end("release", { name });
    await this.#leave(name);
  }

  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  /** With the connection all of the group has ended. */
  async #end<C extends "destroy" | "release" | "close">(call: C, fields: Calls[C][0]): Promise<void> {
    await this.call(call, fields).catch((thrown) => {
      if (!this.peer.isLost) throw thrown;
    });
  }

  async #close(): Promise<void> {
    try {
      await this.#end("close", {});
    } finally {
      await Promise.all([...this.#ports.keys()].map((name) => this.#leave(name)));
      await this.home.release(this.number);
    }
  }

  /** A report whose SSH port is one of this host. */
  async #withPort(report: MemberReport): Promise<MemberReport> {
    if (!report.ssh) return report;
    const { here } = await this.#lead(report.name, SSH, report.ssh.port);
    return { ...report, ssh: { ...report.ssh, host: "127.0.0.1", port: here } };
  }

  /** Lets a port here lead to one there, or tells which does. @param wanted the port here. @default any */
  async #lead(name: string, guest: number, there: number, wanted?: number): Promise<Led> {
    const ports = this.#ports.get(name) ?? new Map<number, Promise<Led>>();
    this.#ports.set(name, ports);
    const key = wanted === undefined ? guest : guest + wanted * 65_536; // a guest's port may have several here
    const before = await ports.get(key)?.catch(() => undefined);
    if (before?.there === there) return before;
    const leading = this.#open(there, wanted ?? before?.here, before?.end, wanted !== undefined);
    ports.set(key, leading);
    leading.catch(() => ports.delete(key));
    return await leading;
  }

  async #open(there: number, here: number | undefined, before?: AsyncDisposable, isWanted = false): Promise<Led> {
    await before?.[Symbol.asyncDispose]();
    for (let tries = 1;; tries++) {
      const port = (tries === 1 || isWanted ? here : undefined) ?? await freePort();
      try {
        return { here: port, there, end: await this.home.connection.forwardPort(port, there) };
      } catch (thrown) {
        if (!(thrown instanceof ProcessError)) throw thrown;
        const { name } = this.home.place;
        if (!await this.home.connection.isOpen()) throw this.home.connection.unreachable(thrown);
        if (!isWanted && tries < TRIES) continue;
        throw new FleetboxError("conflict", `Cannot let port ${port} of 127.0.0.1 lead to "${name}"`, {
          cause: thrown,
          hint: "Is it another program's? Choose another one, or leave it out",
        });
      }
    }
  }

  /** A machine that was started again may have other ports there. */
  async #leadAgain({ name, forwards = [] }: MemberReport): Promise<void> {
    for (const [key, leading] of this.#ports.get(name) ?? []) {
      const guest = key % 65_536;
      const found = guest === SSH ? undefined : forwards.find(({ guest_port }) => guest_port === guest);
      const { here } = await leading;
      if (found) await this.#lead(name, guest, found.host_port, key >= 65_536 ? here : undefined);
    }
  }

  /** It is gone, and what leads to it goes, too. */
  async #leave(name: string): Promise<void> {
    const ports = [...this.#ports.get(name)?.values() ?? []];
    this.#ports.delete(name);
    const all = await Promise.allSettled(ports);
    await Promise.all([
      ...all.map((one) => one.status === "fulfilled" ? one.value.end[Symbol.asyncDispose]() : undefined),
      stopForwardingMember(this.home.store, this.home.place, this.home.connection, name),
    ]);
  }
}
