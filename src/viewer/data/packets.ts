/**
 * The packets of a bundle's pcapng, in columns: 200,000 of them are a few arrays and no objects; they may grow. Frames are decoded
 * when they are shown. Reads what `src/core/pcapng` writes, several sections after each other, up to the last whole block.
 */

import { macAt, protocolOf, PROTOCOLS, summaryOf } from "./frame.ts";
import { firstFrom } from "./model.ts";

/** To all. */
export const EVERYBODY = "*";

const SECTION_BLOCK = 0x0a0d0d0a, INTERFACE_BLOCK = 1, PACKET_BLOCK = 6;
const [COMMENT, FLAGS, VERDICT] = [1, 2, 7];
/** A guest may make up MACs; their places are 16 bits. */
const MOST_NAMES = 60_000;
const INTERFACE_NAME = 2, OUTBOUND = 2;
const BROADCAST = "ff:ff:ff:ff:ff:ff";
const CODES = new Map(PROTOCOLS.map((name, code) => [name, code]));

type Column = Float64Array | Uint32Array | Uint16Array | Uint8Array;

/** Bytes as they came, and their place in all that ever came. */
interface Chunk {
  at: number;
  bytes: Uint8Array;
}

export class Packets {
  #chunks: Chunk[] = [];
  /** Of all chunks that ever came. */
  #size = 0;
  count = 0;
  /** How many packets before these were let go of. */
  gone = 0;
  /** Another number whenever something has changed. */
  changes = 0;
  /** Milliseconds since 1970. Columns may be longer than {@link count}. */
  times = new Float64Array();
  #starts = new Float64Array();
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
  /** By index, counted from the first that ever was. */
  #comments = new Map<number, string[]>();
  #texts: (string | undefined)[] = [];
  #numbers = new Map<string, number>();
  /** The places of MACs in {@link names}. */
  #places = new Map<number, number>();
  /** By their places: names that are MACs, because nobody is known to have them. */
  #unknown: boolean[] = [];
  /** Of the present section. */
  #interfaces: string[] = [];
  /** Whether the end is missing, or what is there cannot be read. */
  isCut = false;

  /** Reads what follows: whole blocks. @param nameOf whose MAC that is */
  append(bytes: Uint8Array, nameOf: ReadonlyMap<string, string>): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const first = this.count, owners = new Map<number, string>();
    this.#grow(first + countPackets(view));
    const placeOf = (at: number): number => {
      const key = view.getUint16(at) * 2 ** 32 + view.getUint32(at + 2);
      let place = this.#places.get(key);
      if (place === undefined) this.#places.set(key, place = this.#number(this.#nameAt(bytes, at, nameOf)));
      return place;
    };
    let at = 0;
    for (let length = blockAt(view, at); length > 0; at += length, length = blockAt(view, at)) {
      const type = view.getUint32(at, true);
      if (type === SECTION_BLOCK) this.#interfaces = [];
      if (type === INTERFACE_BLOCK) {
        this.#interfaces.push(textOf(optionOf(bytes, view, at + 16, at + length - 4, INTERFACE_NAME)));
      }
      if (type !== PACKET_BLOCK || length < 32) continue;
      const captured = view.getUint32(at + 20, true), frame = at + 28;
      if (captured > length - 32) continue;
      const index = this.count++;
      this.times[index] = (view.getUint32(at + 12, true) * 2 ** 32 + view.getUint32(at + 16, true)) / 1000;
      this.#starts[index] = this.#size + frame;
      this.#captured[index] = captured;
      this.lengths[index] = view.getUint32(at + 24, true);
      const isWhole = captured >= 14;
      this.from[index] = isWhole ? placeOf(frame + 6) : this.#number("?");
      this.to[index] = isWhole ? placeOf(frame) : this.#number("?");
      this.protocols[index] = CODES.get(protocolOf(bytes, frame, captured))!;
      const options = frame + ((captured + 3) & ~3), end = at + length - 4;
      this.dropped[index] = 0;
      this.#options(bytes, view, options, end, index);
      const sender = this.from[index];
      if (this.#unknown[sender] && !owners.has(sender)) {
        const flags = optionOf(bytes, view, options, end, FLAGS), name = this.#interfaces[view.getUint32(at + 8, true)];
        if (name && flags && (flags[0] & 3) === OUTBOUND) owners.set(sender, name);
      }
    }
    this.isCut = at < bytes.length;
    this.#chunks.push({ at: this.#size, bytes });
    this.#size += bytes.length;
    this.#rename(owners);
    this.#sort(first);
    this.changes++;
  }

  /** Lets go of the first ones. */
  forget(some: number): void {
    const count = Math.min(some, this.count);
    if (count <= 0) return;
    for (const column of this.#columns()) column.copyWithin(0, count, this.count);
    this.count -= count;
    this.gone += count;
    for (const index of this.#comments.keys()) if (index < this.gone) this.#comments.delete(index);
    this.#texts.splice(0, count);
    let first = this.#size;
    for (let index = 0; index < this.count; index++) first = Math.min(first, this.#starts[index]);
    const kept = this.#chunks.findIndex(({ at, bytes }) => at + bytes.length > first);
    this.#chunks.splice(0, kept < 0 ? this.#chunks.length : kept);
    this.changes++;
  }

  #columns(): Column[] {
    const { times, lengths, from, to, protocols, dropped } = this;
    return [times, this.#starts, this.#captured, lengths, from, to, protocols, dropped];
  }

  /** Makes room; what was read at once has no more than it needs. */
  #grow(most: number): void {
    const { length } = this.times;
    if (most <= length) return;
    const room = length === 0 ? most : Math.max(most, Math.ceil(length * 1.5));
    const grown = <Kind extends Column>(column: Kind, made: Kind): Kind => {
      made.set(column);
      return made;
    };
    this.times = grown(this.times, new Float64Array(room));
    this.#starts = grown(this.#starts, new Float64Array(room));
    this.#captured = grown(this.#captured, new Uint32Array(room));
    this.lengths = grown(this.lengths, new Uint32Array(room));
    this.from = grown(this.from, new Uint16Array(room));
    this.to = grown(this.to, new Uint16Array(room));
    this.protocols = grown(this.protocols, new Uint8Array(room));
    this.dropped = grown(this.dropped, new Uint8Array(room));
  }

  #number(wanted: string): number {
    const name = this.names.length < MOST_NAMES || this.#numbers.has(wanted) ? wanted : "?";
    let place = this.#numbers.get(name);
    if (place === undefined) this.#numbers.set(name, place = this.names.push(name) - 1);
    return place;
  }

  #nameAt(bytes: Uint8Array, at: number, nameOf: ReadonlyMap<string, string>): string {
    const mac = macAt(bytes, at);
    if (mac === BROADCAST || (bytes[at] & 1)) return EVERYBODY;
    const name = nameOf.get(mac);
    if (name === undefined && this.names.length < MOST_NAMES) this.#unknown[this.names.length] = true;
    return name ?? mac;
  }

  /** What an interface sends is of the one whose interface it is: the gateway has several MACs. */
  #rename(owners: ReadonlyMap<number, string>): void {
    if (owners.size === 0) return;
    const places = this.names.map((_, place) => place);
    for (const [place, name] of owners) {
      places[place] = this.#number(name);
      this.#numbers.delete(this.names[place]);
      this.names[place] = ""; // nobody has it any more, and it is not shown
      this.#unknown[place] = false;
    }
    for (let index = 0; index < this.count; index++) {
      this.from[index] = places[this.from[index]];
      this.to[index] = places[this.to[index]];
    }
    for (const [mac, place] of this.#places) this.#places.set(mac, places[place]);
  }

  #options(bytes: Uint8Array, view: DataView, from: number, end: number, index: number): void {
    for (let at = from; at + 4 <= end;) {
      const code = view.getUint16(at, true), length = view.getUint16(at + 2, true);
      if (code === 0 || at + 4 + length > end) return;
      if (code === COMMENT) {
        const comment = textOf(bytes.subarray(at + 4, at + 4 + length));
        const all = this.#comments.get(this.gone + index);
        if (all) all.push(comment);
        else this.#comments.set(this.gone + index, [comment]);
        if (comment.startsWith("dropped")) this.dropped[index] = 1;
      } else if (code === VERDICT) this.dropped[index] = 1;
      at += 4 + ((length + 3) & ~3);
    }
  }

  /** By time: a frame that waited is told of after those that came later. @param first those before it are sorted */
  #sort(first: number): void {
    const { times, count, gone } = this;
    let isSorted = true, earliest = Infinity;
    for (let index = first; index < count; index++) {
      if (index > 0 && times[index - 1] > times[index]) isSorted = false;
      earliest = Math.min(earliest, times[index]);
    }
    if (isSorted) return;
    const low = firstFrom(first, (index) => times[index], earliest);
    const order = Uint32Array.from({ length: count - low }, (_, index) => low + index)
      .sort((a, b) => times[a] - times[b] || a - b);
    for (const column of this.#columns()) {
      const old = column.slice(low, count);
      order.forEach((was, is) => column[low + is] = old[was - low]);
    }
    const comments = order.reduce((all, was, is) => {
      const its = this.#comments.get(gone + was);
      return its ? all.set(gone + low + is, its) : all;
    }, new Map<number, string[]>());
    for (const was of order) this.#comments.delete(gone + was);
    for (const [index, its] of comments) this.#comments.set(index, its);
    this.#texts.length = Math.min(this.#texts.length, low);
  }

  frame(index: number): Uint8Array {
    const start = this.#starts[index], chunks = this.#chunks;
    if (index >= this.count) return new Uint8Array();
    const { at, bytes } =
      chunks[firstFrom(chunks.length, (place) => chunks[place].at + chunks[place].bytes.length, start + 1)];
    return bytes.subarray(start - at, start - at + this.#captured[index]);
  }

  comments(index: number): readonly string[] {
    return this.#comments.get(this.gone + index) ?? [];
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

function optionOf(
  bytes: Uint8Array,
  view: DataView,
  from: number,
  end: number,
  wanted: number,
): Uint8Array | undefined {
  for (let at = from; at + 4 <= end;) {
    const code = view.getUint16(at, true), length = view.getUint16(at + 2, true);
    if (code === 0 || at + 4 + length > end) return undefined;
    if (code === wanted) return bytes.subarray(at + 4, at + 4 + length);
    at += 4 + ((length + 3) & ~3);
  }
  return undefined;
}

const textOf = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);

function countPackets(view: DataView): number {
  let count = 0;
  for (let at = 0, length = blockAt(view, at); length > 0; at += length, length = blockAt(view, at)) {
    if (view.getUint32(at, true) === PACKET_BLOCK) count++;
  }
  return count;
}
