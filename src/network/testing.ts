/**
 * For tests of the network only: frames made by hand, a connection whose two ends are in this process, and a switch with
 * guests.
 *
 * The frames are plain and may be wrong on purpose; checksums are filled in only where a reader checks them. The
 * connection is a real unix socket pair, so that backpressure and closing behave as they do in life. Shipped code does
 * not import this file.
 */

import { encodeFrame, FRAME, FrameReader } from "./frame.ts";
import type { PortCounters } from "./counters.ts";
import type { GatewayRules } from "./guard.ts";
import { parseMac } from "./macs.ts";
import { FaultEngine } from "./faults/engine.ts";
import { GATEWAY_PORT, Switch, type SwitchOptions } from "./switch.ts";

export const MACS = {
  a: "52:54:00:00:00:0a",
  b: "52:54:00:00:00:0b",
  c: "52:54:00:00:00:0c",
  nobody: "52:54:00:99:99:99",
  gateway: "52:55:0a:58:00:01",
  dns: "52:55:0a:58:00:03",
  all: "ff:ff:ff:ff:ff:ff",
} as const;

export const IPS = { a: "10.88.0.11", b: "10.88.0.12", c: "10.88.0.13", nobody: "10.88.0.77" } as const;

/** An Ethernet frame. `type` may be a list: VLAN tags first. */
export function ethernet(to: string, from: string, type: number | number[], payload: Uint8Array): Uint8Array {
  const head: number[] = [...parseMac(to), ...parseMac(from)];
  for (const [index, each] of [type].flat().entries()) head.push(...(index > 0 ? [0, 7] : []), each >> 8, each & 255);
  return Uint8Array.from([...head, ...payload]);
}

export interface Ipv4Fields {
  from?: string;
  to?: string;
  protocol?: number;
  /** The 16 bits of flags and fragment offset. */
  fragment?: number;
  /** Bytes of options, a multiple of 4. */
  options?: number;
  /** What the header says the length is, when it lies. */
  totalLength?: number;
}

/** An IPv4 packet. */
export function ipv4(fields: Ipv4Fields, payload: Uint8Array): Uint8Array {
  const { from = IPS.a, to = IPS.b, protocol = 17, fragment = 0, options = 0 } = fields;
  const header = new Uint8Array(20 + options);
  const total = fields.totalLength ?? header.length + payload.length;
  header.set([0x40 | header.length / 4, 0, total >> 8, total & 255, 0, 0, fragment >> 8, fragment & 255, 64, protocol]);
  header.set(octets(from), 12);
  header.set(octets(to), 16);
  header.set(checksum(header), 10);
  return Uint8Array.from([...header, ...payload]);
}

export function udp(fromPort: number, toPort: number, payload: Uint8Array = new Uint8Array()): Uint8Array {
  const length = 8 + payload.length;
  return Uint8Array.from([...word(fromPort), ...word(toPort), ...word(length), 0, 0, ...payload]);
}

export function tcp(fromPort: number, toPort: number, flags: number): Uint8Array {
  return Uint8Array.from([
    ...word(fromPort),
    ...word(toPort),
    0,
    0,
    0,
    1,
    0,
    0,
    0,
    1,
    0x50,
    flags,
    0x20,
    0,
    0,
    0,
    0,
    0,
  ]);
}

export interface ArpFields {
  operation?: number;
  senderMac?: string;
  senderIp?: string;
  targetMac?: string;
  targetIp?: string;
}

/** The payload of an ARP frame. */
export function arp(fields: ArpFields): Uint8Array {
  const { operation = 1, senderMac = MACS.a, senderIp = IPS.a, targetIp = IPS.b } = fields;
  const targetMac = fields.targetMac ?? "00:00:00:00:00:00";
  const head = [0, 1, 8, 0, 6, 4, 0, operation];
  return Uint8Array.from([
    ...head,
    ...parseMac(senderMac),
    ...octets(senderIp),
    ...parseMac(targetMac),
    ...octets(targetIp),
  ]);
}

export function octets(address: string): number[] {
  return address.split(".").map(Number);
}

/** The Internet checksum of some bytes, as two bytes. */
export function checksum(bytes: Uint8Array): [number, number] {
  let total = 0;
  for (let at = 0; at < bytes.length; at += 2) total += (bytes[at] << 8) + (bytes[at + 1] ?? 0);
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return word(~total & 0xffff);
}

function word(value: number): [number, number] {
  return [(value >> 8) & 255, value & 255];
}

/** A unix stream connection with both ends here. */
export async function socketPair(): Promise<[Deno.UnixConn, Deno.UnixConn]> {
  const directory = await Deno.makeTempDir({ prefix: "fleetbox-test-" });
  try {
    const listener = Deno.listen({ transport: "unix", path: `${directory}/s` });
    const [near, far] = await Promise.all([
      Deno.connect({ transport: "unix", path: `${directory}/s` }),
      listener.accept(),
    ]);
    listener.close();
    return [near, far];
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** The machine at the other end of a port: sends frames, and gives those that arrive. */
export class Guest {
  readonly #reader = new FrameReader();

  constructor(readonly conn: Deno.UnixConn) {}

  async send(...frames: Uint8Array[]): Promise<void> {
    for (const frame of frames) await this.sendRaw(encodeFrame(frame));
  }

  async sendRaw(bytes: Uint8Array): Promise<void> {
    for (let sent = 0; sent < bytes.length;) sent += await this.conn.write(bytes.subarray(sent));
  }

  /** The next frame; undefined at the end of the connection. */
  async receive(): Promise<Uint8Array | undefined> {
    const reader = this.#reader;
    while (reader.next() !== FRAME) {
      const count = await this.conn.read(reader.room());
      if (count === null) return undefined;
      reader.commit(count);
    }
    return reader.bytes.slice(reader.from + 4, reader.end);
  }
}

export type Name = "a" | "b" | "c" | "gateway";

/** A switch with some guests plugged in, closed at the end of the test. */
export class Network implements AsyncDisposable {
  readonly switch: Switch;
  readonly guests: Guest[] = [];

  constructor(options: SwitchOptions = {}) {
    this.switch = new Switch(options);
    this.switch.useFaults((exit) => new FaultEngine(exit));
  }

  async plug(name: Name, rules: GatewayRules = { egress: true, hostAccess: false }): Promise<Guest> {
    const [near, far] = await socketPair();
    const guest = new Guest(near);
    this.guests.push(guest);
    if (name === "gateway") this.switch.addPort(far, { name, role: "gateway" });
    else this.switch.addPort(far, { name, role: "member", mac: MACS[name], ip: IPS[name], rules });
    return guest;
  }

  counters(name: Name): PortCounters {
    return this.switch.counters().get(name === "gateway" ? GATEWAY_PORT : name)!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ports = ["a", "b", "c", GATEWAY_PORT].map((name) => this.switch.port(name)?.closed);
    this.switch.close();
    await Promise.all(ports);
    for (const guest of this.guests) {
      try {
        guest.conn.close();
      } catch { /* the test closed it */ }
    }
  }
}

/** A marked frame that nobody but its receiver looks into. */
export const data = (to: Name | "nobody" | "all", from: Name | "nobody", mark: number, size = 40) =>
  ethernet(MACS[to], MACS[from], 0x88b5, new Uint8Array(size).fill(mark));
export const mark = (frame: Uint8Array | undefined) => frame?.at(-1);
