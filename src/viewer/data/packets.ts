/**
 * The packets of a bundle's pcapng, in columns: 200,000 of them are a few arrays and no objects. Frames are decoded when they are
 * shown. Reads what `src/core/pcapng` writes, several sections after each other, up to the last whole block.
 */

import { macAt, protocolOf, PROTOCOLS, summaryOf } from "./frame.ts";

/** To all. */
export const EVERYBODY = "*";

const SECTION_BLOCK = 0x0a0d0d0a, INTERFACE_BLOCK = 1, PACKET_BLOCK = 6;
const [COMMENT, FLAGS, VERDICT] = [1, 2, 7];
/** A guest may make up MACs; their places are 16 bits. */
const MOST_NAMES = 60_000;
const INTERFACE_NAME = 2, OUTBOUND = 2;
const BROADCAST = "ff:ff:ff:ff:ff:ff";

export class Packets {
  #bytes: Uint8Array = new Uint8Array();
  count = 0;
  /** Milliseconds since 1970. */
  times = new Float64Array();
  #starts = new Uint32Array();
  #captured = new Uint32Array();
  lengths = new Uint32Array();
  /** Places in {@link names}. */
  from = new Uint16Array();
  to = new Uint16Array();
  /** Places in {@link PROTOCOLS}. */
  protocols = new Uint8Array();
  dropped = new Uint8Array();
  /** Who sends and gets them: members, `gateway`, `*`, or a MAC that nobody has. */
  names: string[] = [];
  #comments = new Map<number, string[]>();
  #texts: (string | undefined)[] = [];
  #numbers = new Map<string, number>();
  /** By their places: names that are MACs, because nobody is known to have them. */
  #unknown: boolean[] = [];
  /** Whether the end is missing, or what is there cannot be read. */
  isCut = false;

  /** Reads a capture. @param nameOf whose MAC that is */
  read(bytes: Uint8Array, nameOf: ReadonlyMap<string, string>): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const most = countPackets(view);
    this.#bytes = bytes;
    this.times = new Float64Array(most);
    this.#starts = new Uint32Array(most);
    this.#captured = new Uint32Array(most);
    this.lengths = new Uint32Array(most);
    this.from = new Uint16Array(most);
    this.to = new Uint16Array(most);
    this.protocols = new Uint8Array(most);
    this.dropped = new Uint8Array(most);
    const codes = new Map(PROTOCOLS.map((name, code) => [name, code]));
    const places = new Map<number, number>(); // of MACs
    const placeOf = (at: number): number => {
      const key = view.getUint16(at) * 2 ** 32 + view.getUint32(at + 2);
      let place = places.get(key);
      if (place === undefined) places.set(key, place = this.#number(this.#nameAt(at, nameOf)));
      return place;
    };
    let at = 0, interfaces: (Uint8Array | undefined)[] = [];
    const owners = new Map<number, string>();
    for (let length = blockAt(view, at); length > 0; at += length, length = blockAt(view, at)) {
      const type = view.getUint32(at, true);
      if (type === SECTION_BLOCK) interfaces = [];
      if (type === INTERFACE_BLOCK) interfaces.push(this.#optionOf(view, at + 16, at + length - 4, INTERFACE_NAME));
      if (type !== PACKET_BLOCK || length < 32) continue;
      const captured = view.getUint32(at + 20, true), frame = at + 28;
      if (captured > length - 32) continue;
      const index = this.count++;
      this.times[index] = (view.getUint32(at + 12, true) * 2 ** 32 + view.getUint32(at + 16, true)) / 1000;
      this.#starts[index] = frame;
      this.#captured[index] = captured;
      this.lengths[index] = view.getUint32(at + 24, true);
      const isWhole = captured >= 14;
      this.from[index] = isWhole ? placeOf(frame + 6) : this.#number("?");
      this.to[index] = isWhole ? placeOf(frame) : this.#number("?");
      this.protocols[index] = codes.get(protocolOf(bytes, frame, captured))!;
      const options = frame + ((captured + 3) & ~3), end = at + length - 4;
      this.#options(view, options, end, index);
      const sender = this.from[index];
      if (sender < this.#unknown.length && this.#unknown[sender] && !owners.has(sender)) {
        const flags = this.#optionOf(view, options, end, FLAGS), name = interfaces[view.getUint32(at + 8, true)];
        if (name && flags && (flags[0] & 3) === OUTBOUND) owners.set(sender, new TextDecoder().decode(name));
      }
    }
    this.isCut = at < bytes.length;
    this.#rename(owners);
    this.#sort();
  }

  #number(wanted: string): number {
    const name = this.names.length < MOST_NAMES || this.#numbers.has(wanted) ? wanted : "?";
    let place = this.#numbers.get(name);
    if (place === undefined) this.#numbers.set(name, place = this.names.push(name) - 1);
    return place;
  }

  #nameAt(at: number, nameOf: ReadonlyMap<string, string>): string {
    const mac = macAt(this.#bytes, at);
    if (mac === BROADCAST || (this.#bytes[at] & 1)) return EVERYBODY;
    const name = nameOf.get(mac);
    if (name === undefined) this.#unknown[this.names.length] = true;
    return name ?? mac;
  }

  /** What an interface sends is of the one whose interface it is: the gateway has several MACs. */
  #rename(owners: ReadonlyMap<number, string>): void {
    if (owners.size === 0) return;
    const places = this.names.map((_, place) => place);
    for (const [place, name] of owners) places[place] = this.#number(name);
    const used = new Set<number>();
    for (let index = 0; index < this.count; index++) {
      used.add(this.from[index] = places[this.from[index]]);
      used.add(this.to[index] = places[this.to[index]]);
    }
    // Others keep their places: those without a packet are not shown.
    this.names = this.names.map((name, place) => used.has(place) ? name : "");
  }

  #optionOf(view: DataView, from: number, end: number, wanted: number): Uint8Array | undefined {
    for (let at = from; at + 4 <= end;) {
      const code = view.getUint16(at, true), length = view.getUint16(at + 2, true);
      if (code === 0 || at + 4 + length > end) return undefined;
      if (code === wanted) return this.#bytes.subarray(at + 4, at + 4 + length);
      at += 4 + ((length + 3) & ~3);
    }
    return undefined;
  }

  #options(view: DataView, from: number, end: number, index: number): void {
    for (let at = from; at + 4 <= end;) {
      const code = view.getUint16(at, true), length = view.getUint16(at + 2, true);
      if (code === 0 || at + 4 + length > end) return;
      if (code === COMMENT) {
        const comment = new TextDecoder().decode(this.#bytes.subarray(at + 4, at + 4 + length));
        const all = this.#comments.get(index);
        if (all) all.push(comment);
        else this.#comments.set(index, [comment]);
        if (comment.startsWith("dropped")) this.dropped[index] = 1;
      } else if (code === VERDICT) this.dropped[index] = 1;
      at += 4 + ((length + 3) & ~3);
    }
  }

  /** By time: a frame that waited is told of after those that came later. */
  #sort(): void {
    const { times, count } = this;
    let isSorted = true;
    for (let index = 1; index < count && isSorted; index++) isSorted = times[index - 1] <= times[index];
    if (isSorted) return;
    const order = Uint32Array.from({ length: count }, (_, index) => index).sort((a, b) => times[a] - times[b] || a - b);
    const sorted = <Column extends Float64Array | Uint32Array | Uint16Array | Uint8Array>(column: Column): Column => {
      const old = column.slice();
      order.forEach((was, is) => column[is] = old[was]);
      return column;
    };
    for (const column of [this.times, this.#starts, this.#captured, this.lengths, this.from, this.to]) sorted(column);
    for (const column of [this.protocols, this.dropped]) sorted(column);
    const comments = this.#comments;
    this.#comments = new Map();
    order.forEach((was, is) => {
      const its = comments.get(was);
      if (its) this.#comments.set(is, its);
    });
  }

  frame(index: number): Uint8Array {
    return this.#bytes.subarray(this.#starts[index], this.#starts[index] + this.#captured[index]);
  }

  comments(index: number): readonly string[] {
    return this.#comments.get(index) ?? [];
  }

  sender(index: number): string {
    return this.names[this.from[index]];
  }

  receiver(index: number): string {
    return this.names[this.to[index]];
  }

  protocol(index: number): string {
    return PROTOCOLS[this.protocols[index]];
  }

  info(index: number): string {
    return summaryOf(this.frame(index)).info;
  }

  /** What search looks at, in small letters; kept. */
  searchText(index: number): string {
    return this.#texts[index] ??= [
      this.sender(index),
      this.receiver(index),
      this.protocol(index),
      this.info(index),
      ...this.comments(index),
    ].join(" ").toLowerCase();
  }
}

/** The length of the block at a place; 0: there is none that is whole. */
function blockAt(view: DataView, at: number): number {
  if (at + 12 > view.byteLength) return 0;
  const length = view.getUint32(at + 4, true);
  return length >= 12 && length % 4 === 0 && at + length <= view.byteLength ? length : 0;
}

function countPackets(view: DataView): number {
  let count = 0;
  for (let at = 0, length = blockAt(view, at); length > 0; at += length, length = blockAt(view, at)) {
    if (view.getUint32(at, true) === PACKET_BLOCK) count++;
  }
  return count;
}
