/**
 * Ethernet frames on QEMU's `stream` netdev, and the two kinds that the fake QEMU speaks: ARP and ICMP echo.
 *
 * On the socket a frame is its length (4 bytes, big-endian) and its bytes. QEMU listens and takes one client after another.
 */

import type { QmpServer } from "./qmp_server.ts";

export const bytesOfMac = (mac: string) => mac.split(":").map((octet) => parseInt(octet, 16));
export const bytesOfIp = (ip: string) => ip.split(".").map(Number);
export const ipAt = (frame: Uint8Array, at: number) => frame.subarray(at, at + 4).join(".");

/** The listening side of a `stream` netdev. */
export class StreamNetdev {
  #client: Deno.Conn | undefined;
  #writing: Promise<unknown> = Promise.resolve();

  constructor(
    path: string,
    private readonly qmp: QmpServer,
    private readonly onFrame: (frame: Uint8Array) => void,
    private readonly onConnect: () => void = () => {},
  ) {
    const listener = Deno.listen({ transport: "unix", path });
    void this.#accept(listener, path);
  }

  /** Sends a frame; lost when nobody is connected. */
  send(frame: number[] | Uint8Array): void {
    const client = this.#client;
    if (!client) return;
    const bytes = new Uint8Array(4 + frame.length);
    new DataView(bytes.buffer).setUint32(0, frame.length);
    bytes.set(frame, 4);
    this.#writing = this.#writing.then(() => client.write(bytes)).catch(() => {});
  }

  /** Resolves when what was sent is written, or lost. */
  async sent(): Promise<void> {
    await this.#writing;
  }

  async #accept(listener: Deno.Listener, path: string): Promise<void> {
    for await (const client of listener) {
      this.#client = client;
      this.qmp.event("NETDEV_STREAM_CONNECTED", { "netdev-id": "net0", addr: { type: "unix", path } });
      this.onConnect();
      await this.#read(client).catch(() => {});
      this.#client = undefined;
      this.qmp.event("NETDEV_STREAM_DISCONNECTED", { "netdev-id": "net0" });
    }
  }

  async #read(client: Deno.Conn): Promise<void> {
    let held = new Uint8Array();
    const buffer = new Uint8Array(64 * 1024);
    for (let count; (count = await client.read(buffer)) !== null;) {
      held = new Uint8Array([...held, ...buffer.subarray(0, count)]);
      while (held.length >= 4) {
        const end = 4 + new DataView(held.buffer, held.byteOffset).getUint32(0);
        if (held.length < end) break;
        this.onFrame(held.slice(4, end));
        held = held.slice(end);
      }
    }
  }
}

/** What an ARP frame says; undefined when it is none (RFC 826). */
export function readArp(
  frame: Uint8Array,
): { operation: number; mac: number[]; ip: string; target: string } | undefined {
  if (frame.length < 42 || frame[12] !== 0x08 || frame[13] !== 0x06) return undefined;
  return { operation: frame[21], mac: [...frame.subarray(22, 28)], ip: ipAt(frame, 28), target: ipAt(frame, 38) };
}

/** An ARP frame: operation 1 asks all for `targetIp`, 2 answers `targetMac`. */
export function arp(operation: 1 | 2, mac: number[], ip: string, targetIp: string, targetMac?: number[]): number[] {
  return [
    ...(targetMac ?? Array(6).fill(0xff)),
    ...mac,
    ...[0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, operation],
    ...mac,
    ...bytesOfIp(ip),
    ...(targetMac ?? Array(6).fill(0)),
    ...bytesOfIp(targetIp),
  ];
}

/** An ICMP echo frame: type 8 asks, 0 answers (RFC 792). */
export function echo(
  type: 8 | 0,
  macs: { from: number[]; to: number[] },
  from: string,
  to: string,
  rest: number[],
): number[] {
  const icmp = withChecksum([type, 0, 0, 0, ...rest], 2);
  const total = 20 + icmp.length;
  const ip = [0x45, 0, total >> 8, total & 255, 0, 0, 0x40, 0, 64, 1, 0, 0, ...bytesOfIp(from), ...bytesOfIp(to)];
  return [...macs.to, ...macs.from, 0x08, 0x00, ...withChecksum(ip, 10), ...icmp];
}

/** What an ICMP echo frame says; undefined when it is none. `rest` is identifier, sequence number and data. */
export function readEcho(
  frame: Uint8Array,
): { type: number; mac: number[]; from: string; to: string; rest: number[] } | undefined {
  if (frame.length < 42 || frame[12] !== 0x08 || frame[13] !== 0x00 || frame[23] !== 1) return undefined;
  const at = 14 + (frame[14] & 15) * 4;
  const end = 14 + ((frame[16] << 8) | frame[17]);
  if (frame[at] !== 8 && frame[at] !== 0) return undefined;
  const mac = [...frame.subarray(6, 12)];
  return { type: frame[at], mac, from: ipAt(frame, 26), to: ipAt(frame, 30), rest: [...frame.subarray(at + 4, end)] };
}

/** The bytes with the internet checksum of all of them at `at` (RFC 1071). */
function withChecksum(bytes: number[], at: number): number[] {
  let sum = 0;
  for (let index = 0; index < bytes.length; index += 2) sum += (bytes[index] << 8) | (bytes[index + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  bytes[at] = ~sum >> 8 & 255;
  bytes[at + 1] = ~sum & 255;
  return bytes;
}
