/**
 * The frames of a trace, in segments of which the oldest are removed: each begins with the section and the interfaces of its stream,
 * and is a whole pcapng file. Of a frame its first bytes are kept. What passed on each link is counted on the way.
 *
 * Reads the blocks that `core/pcapng/blocks.ts` writes.
 */

import { joined } from "../../core/bytes.ts";
import { GATEWAY } from "../../core/faults/gateway_name.ts";
import { BLOCK, interfaceBlock } from "../../core/pcapng/blocks.ts";
import { optionsIn, padded } from "../../core/pcapng/options.ts";
import type { Happening } from "./event_file.ts";
import type { TraceFiles } from "./trace_files.ts";

const SEGMENTS = 8;
/** What is kept of a frame: headers, and the beginning of what it carries. */
export const SNAP_BYTES = 256;
/** What a packet's block has before its data. */
const PACKET_HEAD = 28;
const NAME = 2, DESCRIPTION = 3, MAC = 6, COMMENT = 1, DROP_COUNT = 4;

type LinkSum = { frames: number; bytes: number; missed?: number; dropped?: Record<string, number> };

export class PacketRing {
  /** The first blocks of the present stream. */
  #heads: Uint8Array[] = [];
  #interfaces: { name: string; mac: string }[] = [];
  readonly #segments: string[] = [];
  #count = 0;
  #bytes = 0;
  /** By sender and receiver, as JSON. */
  #links = new Map<string, LinkSum>();
  /** The same sums, by the interface and the addresses of their frames. */
  readonly #byAddress = new Map<string, LinkSum>();

  constructor(
    private readonly files: TraceFiles,
    private readonly onCut: (file: string, bytes: number) => void,
    private readonly named: (text: string) => string = (text) => text,
    /** Of all segments. */
    private readonly limit = files.limits.packetBytes,
  ) {}

  /** Takes whole blocks of a stream; a section is the beginning of another one. */
  push(blocks: Uint8Array): void {
    const view = new DataView(blocks.buffer, blocks.byteOffset, blocks.length);
    const kept: Uint8Array[] = [];
    for (let at = 0; at < blocks.length;) {
      const [type, length] = [view.getUint32(at, true), view.getUint32(at + 4, true)];
      const block = this.#renamed(type, blocks.subarray(at, at + length));
      at += length;
      if (type === BLOCK.section) {
        this.#write(kept.splice(0));
        [this.#heads, this.#interfaces] = [[], []];
        this.#byAddress.clear();
        this.#turn();
      }
      if (type === BLOCK.section || type === BLOCK.interface || type === BLOCK.names) this.#heads.push(block.slice());
      if (type === BLOCK.interface) this.#addInterface(block);
      if (type === BLOCK.packet) this.#sum(block);
      kept.push(type === BLOCK.packet ? snapped(block) : block);
    }
    this.#write(kept);
  }

  /** An interface is called as its member is in this trace. */
  #renamed(type: number, block: Uint8Array): Uint8Array {
    if (type !== BLOCK.interface) return block;
    const found = new Map(optionsIn(block, 16));
    const text = (code: number) => new TextDecoder().decode(found.get(code));
    if (this.named(text(NAME)) === text(NAME)) return block;
    const mac = found.get(MAC);
    return interfaceBlock({
      name: this.named(text(NAME)),
      description: this.named(text(DESCRIPTION)),
      snap: SNAP_BYTES,
      ...(mac ? { mac } : {}),
    });
  }

  #addInterface(block: Uint8Array): void {
    this.#interfaces.push(interfaceOf(block));
    this.#byAddress.clear(); // its address has a name from now on
  }

  /** What passed since the last call, link by link. */
  takeLinks(): Happening[] {
    const links = [...this.#links].map(([key, sum]): Happening => {
      const [from, to] = JSON.parse(key) as [string, string];
      return { event: "link", from, to, ...sum };
    });
    this.#links.clear();
    this.#byAddress.clear();
    return links;
  }

  #write(blocks: readonly Uint8Array[]): void {
    if (blocks.length === 0) return;
    const bytes = joined(blocks);
    const isFull = this.#bytes > 0 && this.#bytes + bytes.length > this.limit / SEGMENTS;
    if (isFull) {
      this.#turn();
      this.#append(joined(this.#heads));
    }
    this.#append(bytes);
  }

  #append(bytes: Uint8Array): void {
    if (this.#segments.length === 0) this.#turn();
    this.#bytes += bytes.length;
    this.files.append(this.#segments.at(-1)!, bytes);
  }

  /** Goes on in a new segment. */
  #turn(): void {
    const present = this.#segments.at(-1);
    if (present !== undefined) this.files.close(present);
    this.#segments.push(`net-${String(++this.#count).padStart(4, "0")}.pcapng`);
    this.#bytes = 0;
    while (this.#segments.length > SEGMENTS) {
      const oldest = this.#segments.shift()!;
      const size = this.files.remove(oldest);
      if (size !== undefined) this.onCut(oldest, size);
    }
  }

  #sum(block: Uint8Array): void {
    const view = new DataView(block.buffer, block.byteOffset, block.length);
    const [on, captured, original] = [view.getUint32(8, true), view.getUint32(20, true), view.getUint32(24, true)];
    if (captured < 12 || !this.#interfaces[on]) return;
    const sum = this.#sumOf(on, block.subarray(PACKET_HEAD, PACKET_HEAD + 12));
    sum.frames++;
    sum.bytes += original;
    for (const [code, value] of optionsIn(block, PACKET_HEAD + padded(captured))) {
      if (code === DROP_COUNT) {
        const missed = new DataView(value.buffer, value.byteOffset).getBigUint64(0, true);
        sum.missed = (sum.missed ?? 0) + Number(missed);
      }
      const cause = code === COMMENT ? causeOfDrop(new TextDecoder().decode(value)) : undefined;
      if (cause === undefined) continue;
      sum.dropped ??= {};
      sum.dropped[cause] = (sum.dropped[cause] ?? 0) + 1;
    }
  }

  /** The sum of a frame's link: names are looked up for the first one of a second. @param addresses its receiver's, its sender's */
  #sumOf(on: number, addresses: Uint8Array): LinkSum {
    const bytes = String.fromCharCode(on, ...addresses);
    const known = this.#byAddress.get(bytes);
    if (known) return known;
    const nameOf = (from: number) => {
      const wanted = hex(addresses.subarray(from, from + 6));
      return this.#interfaces.find(({ mac }) => mac === wanted)?.name;
    };
    const isToMany = (addresses[0] & 1) !== 0;
    // What is no member's is the switch's own: its DNS, which a capture shows with the gateway.
    const link = JSON.stringify([nameOf(6) ?? this.#interfaces[on].name, nameOf(0) ?? (isToMany ? "*" : GATEWAY)]);
    const sum: LinkSum = this.#links.get(link) ?? { frames: 0, bytes: 0 };
    this.#links.set(link, sum);
    this.#byAddress.set(bytes, sum);
    return sum;
  }
}

/** `dropped, to b: fault f3a9c (partition)` is `partition`, `dropped: egress-off (guard: …)` is `egress-off`. */
function causeOfDrop(comment: string): string | undefined {
  const [, fault, other] = /^dropped[^:]*: (?:faults? .*\(([a-z-]+)\)|([a-z-]+))/.exec(comment) ?? [];
  return fault ?? other;
}

function interfaceOf(block: Uint8Array): { name: string; mac: string } {
  const found = new Map(optionsIn(block, 16));
  const [name, mac] = [found.get(NAME), found.get(MAC)];
  return { name: name ? new TextDecoder().decode(name) : "?", mac: mac ? hex(mac) : "" };
}

/** A packet's block with the first bytes of its frame. */
function snapped(block: Uint8Array): Uint8Array {
  const view = new DataView(block.buffer, block.byteOffset, block.length);
  const captured = view.getUint32(20, true);
  if (captured <= SNAP_BYTES) return block;
  const rest = block.subarray(PACKET_HEAD + padded(captured));
  const short = new Uint8Array(PACKET_HEAD + SNAP_BYTES + rest.length);
  short.set(block.subarray(0, PACKET_HEAD + SNAP_BYTES));
  short.set(rest, PACKET_HEAD + SNAP_BYTES);
  const its = new DataView(short.buffer);
  its.setUint32(4, short.length, true);
  its.setUint32(20, SNAP_BYTES, true);
  its.setUint32(short.length - 4, short.length, true);
  return short;
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(":");
}
