/**
 * Ports of this host that lead to members at a place, until they are taken away, or the job ends that the members are in. They are
 * led by a connection of their own, which does not end when nothing uses it; `ports.json` beside it has what it leads, so that it
 * can be made again after the network, or this host, was gone.
 */

import { FleetboxError, messageOf } from "../../core/errors.ts";
import { addressOf, collides, endText, type HostSide } from "../../core/port_forwards.ts";
import type { Store } from "../../store.ts";
import { makePlaceDirectory, placePaths } from "../../store/places.ts";
import { readIfThere, removeIfThere, writeDurably } from "../../system/files.ts";
import { freePort } from "../../system/free_port.ts";
import { withLock } from "../../system/locks.ts";
import { ProcessError } from "../../system/process.ts";
import type { PlaceConnection } from "./connection.ts";

/** A port of this host. */
export interface PlacePort extends HostSide {
  /** The member's name there. */
  member: string;
  host_port: number;
  guest_port: number;
  /** The port of 127.0.0.1 there, which leads to the guest's. */
  there: number;
  /** Whether that one was made for this one: it goes with it. */
  made: boolean;
}

/** A port, and whether it leads anywhere now. */
export interface SeenPort extends PlacePort {
  /** Why it does not. */
  problem?: string;
}

export class PlacePorts {
  readonly #connection: PlaceConnection;

  /** @param connection the one that commands use */
  constructor(private readonly store: Store, connection: PlaceConnection) {
    this.#connection = connection.forPorts();
  }

  /** Those that are to be. */
  list(): PlacePort[] {
    const text = readIfThere(this.#paths.ports);
    if (text === undefined) return [];
    try {
      const ports: unknown = JSON.parse(text);
      if (Array.isArray(ports) && ports.every(isPlacePort)) return ports;
    } catch { /* told below */ }
    throw new FleetboxError("damaged", `The ports of the place "${this.#place}" cannot be read`, {
      hint: `Remove ${this.#paths.ports}, and forward them again`,
    });
  }

  /** Opens those that are not open: their connection was lost. */
  async open(): Promise<SeenPort[]> {
    const ports = this.list();
    if (ports.length === 0 || await this.#connection.isOpen()) return ports;
    try {
      await this.#connection.open();
    } catch (thrown) {
      return ports.map((port) => ({ ...port, problem: messageOf(thrown) }));
    }
    return await Promise.all(ports.map(async (port): Promise<SeenPort> => {
      try {
        await this.#connection.forwardPort(port.host_port, port.there, addressOf(port));
        return port;
      } catch (thrown) {
        return { ...port, problem: thrown instanceof ProcessError ? thrown.stderr : messageOf(thrown) };
      }
    }));
  }

  /** Lets a port of this host lead to one there. @throws {FleetboxError} `conflict`: it is taken */
  async add(wish: Omit<PlacePort, "host_port"> & { host_port?: number }): Promise<PlacePort> {
    return await this.#change(async (ports) => {
      const same = ports.find((one) =>
        one.member === wish.member && one.guest_port === wish.guest_port && addressOf(one) === addressOf(wish) &&
        (wish.host_port === undefined || one.host_port === wish.host_port)
      );
      if (same?.there === wish.there) return same;
      if (same) await this.#close(same);
      const port = { ...wish, host_port: wish.host_port ?? same?.host_port ?? await freePort() };
      const others = ports.filter((one) => one !== same);
      const owner = others.find((one) => collides(one, port));
      if (owner) {
        throw new FleetboxError(
          "conflict",
          `${endText(port)} leads to port ${owner.guest_port} of "${owner.member}" at "${this.#place}" already`,
          { hint: "Choose another port of this host" },
        );
      }
      await this.#connection.open();
      try {
        await this.#connection.forwardPort(port.host_port, port.there, addressOf(port));
      } catch (thrown) {
        if (!(thrown instanceof ProcessError)) throw thrown;
        throw new FleetboxError("conflict", `Cannot listen at ${endText(port)}: ${thrown.stderr}`, {
          hint: "Choose another port of this host",
        });
      }
      ports.splice(0, ports.length, ...others, port);
      return port;
    });
  }

  /** Ends some, and the connection with the last one. @returns what they were */
  async remove(which: (port: PlacePort) => boolean): Promise<PlacePort[]> {
    return await this.#change(async (ports) => {
      const gone = ports.filter(which);
      for (const port of gone) await this.#close(port);
      ports.splice(0, ports.length, ...ports.filter((one) => !gone.includes(one)));
      if (ports.length === 0) await this.#connection.close();
      return gone;
    });
  }

  /** A member there is called something else from now on. */
  async rename(from: string, to: string): Promise<void> {
    await this.#change((ports) => {
      ports.filter(({ member }) => member === from).forEach((port) => port.member = to);
      return Promise.resolve();
    });
  }

  async #close(port: PlacePort): Promise<void> {
    await this.#connection.stopForwardingPort(port.host_port, port.there, addressOf(port));
  }

  /** Changes the list, alone. */
  async #change<T>(work: (ports: PlacePort[]) => Promise<T>): Promise<T> {
    makePlaceDirectory(this.store, this.#connection.dir);
    return await withLock(this.#paths.portsLock, async () => {
      const ports = this.list();
      const result = await work(ports);
      if (ports.length === 0) removeIfThere(this.#paths.ports);
      else await writeDurably(this.#paths.ports, `${JSON.stringify(ports, null, 2)}\n`);
      return result;
    });
  }

  get #place(): string {
    return this.#connection.place.name;
  }

  get #paths() {
    return placePaths(this.store, this.#connection.dir);
  }
}

const isPort = (value: unknown) => Number.isInteger(value) && Number(value) > 0 && Number(value) < 65_536;

function isPlacePort(value: unknown): value is PlacePort {
  const one = (value ?? {}) as Partial<PlacePort>;
  return typeof one.member === "string" && [one.host_port, one.guest_port, one.there].every(isPort);
}
