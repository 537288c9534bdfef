/**
 * One capture: frames of some members as a pcapng stream, in a queue of limited size.
 *
 * An interface is declared before its first packet, or at the start for members that are there. A frame that does not fit into the
 * queue is not in the stream: it is counted, and the next packet of its interface and the statistics at the end tell it. So a slow
 * reader costs memory up to {@link QUEUE_BYTES} twice, and no time. Knows nothing of who reads.
 */

import {
  DIRECTION,
  type Direction,
  interfaceBlock,
  namesBlock,
  packetBytes,
  packetOptions,
  putPacket,
  sectionBlock,
  statisticsBlock,
  writePacket,
} from "../../core/pcapng/blocks.ts";
import { HEADER_BYTES, lengthAt } from "../frame.ts";
import { joined } from "../../core/bytes.ts";
import { parseMac } from "../macs.ts";
import { TokenBucket } from "../token_bucket.ts";

/** The bound on what waits to be read. */
const QUEUE_BYTES = 8 * 1024 * 1024;
const FIRST_BUFFER = 64 * 1024;
/** Notes that wait for a packet. */
const MAX_NOTES = 50;

/** A member, or the gateway, as a capture shows it. */
export interface Station {
  name: string;
  description: string;
  mac?: string;
  addresses: readonly { ip: string; names: readonly string[] }[];
}

interface CaptureOptions {
  application: string;
  /** Whether frames of this one are captured. */
  isWanted(name: string): boolean;
  describe(name: string): Station;
  /** What kind of fault it is. */
  kindOf(id: string): string | undefined;
  /** How many bytes of a frame are kept, from its beginning; its length is told. @default all */
  snap?: number;
  /**
   * How many frames a second are wanted, and so many at once. While there are more, frames that the switch reads are only counted, as
   * those for which there is no room. @default all
   */
  rate?: number;
  /** Called when there is something to {@link Capture.take}, and nothing was before. */
  onData(): void;
}

interface Interface {
  id: number;
  received: number;
  dropped: number;
  /** Dropped since the last packet that is in the stream. */
  missed: number;
}

/** Options of a packet about which there is nothing to tell. */
const PLAIN = {
  [DIRECTION.inbound]: packetOptions({ direction: DIRECTION.inbound }),
  [DIRECTION.outbound]: packetOptions({ direction: DIRECTION.outbound }),
};

export class Capture {
  /** By name; undefined: it is not wanted. */
  readonly #interfaces = new Map<string, Interface | undefined>();
  readonly #byId: ({ name: string; its: Interface | undefined } | undefined)[] = [];
  readonly #named = new Set<string>();
  #notes: string[] = [];
  #filling = new Uint8Array(FIRST_BUFFER);
  #view = new DataView(this.#filling.buffer);
  #leaving = new Uint8Array(0);
  #filled = 0;
  #interfaceCount = 0;
  readonly #snap: number;
  readonly #bucket: TokenBucket | undefined;

  /** @param startUs now, in microseconds since 1970 */
  constructor(private readonly options: CaptureOptions, private readonly startUs: number) {
    this.#snap = options.snap ?? Infinity;
    this.#bucket = options.rate === undefined ? undefined : new TokenBucket(options.rate);
    this.#add(sectionBlock(options.application));
  }

  get kindOf(): CaptureOptions["kindOf"] {
    return this.options.kindOf;
  }

  /** Declares those that are there, and their names. */
  declare(names: readonly string[]): void {
    this.#name(names.map((name) => this.options.describe(name)));
    for (const name of names) this.interfaceOf(name);
  }

  /** The same by the id of its port, which may be another's later: for each frame. */
  interfaceAt(id: number, name: string): Interface | undefined {
    const known = this.#byId[id];
    if (known?.name === name) return known.its;
    const its = this.interfaceOf(name);
    if (this.#interfaces.has(name)) this.#byId[id] = { name, its };
    return its;
  }

  /** The interface of a member, declared if it is new; undefined: it is not captured. */
  interfaceOf(name: string): Interface | undefined {
    if (this.#interfaces.has(name)) return this.#interfaces.get(name);
    if (!this.options.isWanted(name)) {
      this.#interfaces.set(name, undefined);
      return undefined;
    }
    const station = this.options.describe(name);
    const { description, mac } = station;
    const block = interfaceBlock({
      name: station.name,
      description,
      ...(mac === undefined ? {} : { mac: parseMac(mac) }),
      ...(this.options.snap === undefined ? {} : { snap: this.options.snap }),
    });
    if (this.#room(block.length) === undefined) return undefined; // the next frame tries again
    this.#add(block);
    this.#name([station]);
    const made = { id: this.#interfaceCount++, received: 0, dropped: 0, missed: 0 };
    this.#interfaces.set(name, made);
    return made;
  }

  /** Whether frames that are read now are wanted; else their number is told to {@link skip}. */
  isDue(nowMs: number): boolean {
    return this.#bucket?.has(nowMs) ?? true;
  }

  /** So many frames were not wanted. */
  skip(at: Interface, frames: number): void {
    at.received += frames;
    this.#miss(at, frames);
  }

  /** Adds a frame `frame[from, end)`, if there is room. */
  add(
    at: Interface,
    direction: Direction,
    timeUs: number,
    frame: Uint8Array,
    from: number,
    end: number,
    comments: readonly string[] = [],
    isDropped = false,
  ): void {
    at.received++;
    this.#bucket?.spend(1);
    const { missed } = at;
    // While the queue is full, a frame costs no more than this.
    const until = Math.min(end, from + this.#snap);
    if (this.#room(packetBytes(until - from, PLAIN[direction])) === undefined) return this.#miss(at);
    const isPlain = comments.length === 0 && missed === 0 && !isDropped && this.#notes.length === 0;
    const options = isPlain
      ? PLAIN[direction]
      : packetOptions({ direction, comments: [...this.#notes, ...comments], isDropped, missed });
    const bytes = packetBytes(until - from, options);
    const offset = this.#room(bytes);
    if (offset === undefined) return this.#miss(at);
    writePacket(this.#filling, this.#view, offset, { interfaceId: at.id, timeUs, frame, from, until, end, options });
    at.missed = 0;
    if (this.#notes.length > 0) this.#notes = [];
    this.#took(bytes);
  }

  #miss(at: Interface, frames = 1): void {
    at.dropped += frames;
    at.missed += frames;
  }

  /** Adds a run of frames with their lengths, `bytes[from, until)`, each if there is room: nothing is to be told of any. */
  addRun(at: Interface, direction: Direction, timeUs: number, bytes: Uint8Array, from: number, until: number): void {
    const options = PLAIN[direction];
    for (let next = from; next < until;) {
      const begin = next + HEADER_BYTES;
      next = begin + lengthAt(bytes, next);
      const kept = Math.min(next, begin + this.#snap);
      const size = packetBytes(kept - begin, options);
      const offset = at.missed > 0 || this.#notes.length > 0 ? undefined : this.#room(size);
      if (offset === undefined) { // or there is something to tell with the first one
        this.add(at, direction, timeUs, bytes, begin, next);
        continue;
      }
      at.received++;
      this.#bucket?.spend(1);
      putPacket(this.#filling, this.#view, offset, at.id, timeUs, bytes, begin, kept, next, options);
      this.#took(size);
    }
  }

  /** Tells something with the next packet. */
  note(text: string): void {
    if (this.#notes.length === MAX_NOTES) this.#notes.shift();
    this.#notes.push(text);
  }

  /** What is to be read now; empty: nothing. It is valid until the next call. */
  take(): Uint8Array {
    const full = this.#filling;
    const taken = full.subarray(0, this.#filled);
    if (taken.length === 0) return taken;
    this.#filling = this.#leaving.length > 0 ? this.#leaving : new Uint8Array(FIRST_BUFFER);
    this.#view = new DataView(this.#filling.buffer);
    this.#leaving = full;
    this.#filled = 0;
    return taken;
  }

  /** The end of the stream: what each interface had. Notes that met no packet are with the first one. */
  statistics(timeUs: number): Uint8Array {
    const all = [...this.#interfaces.values()].filter((one) => one !== undefined);
    return joined(all.map(({ id, received, dropped }, index) => {
      const comments = index === 0 ? this.#notes : [];
      return statisticsBlock({ interfaceId: id, timeUs, startUs: this.startUs, received, dropped, comments });
    }));
  }

  #name(stations: readonly Station[]): void {
    const records = stations.flatMap(({ addresses }) => addresses)
      .filter(({ ip, names }) => !this.#named.has(`${ip} ${names}`));
    if (records.length === 0) return;
    const block = namesBlock(
      records.map(({ ip, names }) => ({ address: Uint8Array.from(ip.split(".").map(Number)), names })),
    );
    if (this.#room(block.length) === undefined) return;
    for (const { ip, names } of records) this.#named.add(`${ip} ${names}`);
    this.#add(block);
  }

  #add(block: Uint8Array): void {
    const offset = this.#room(block.length)!;
    this.#filling.set(block, offset);
    this.#took(block.length);
  }

  #took(bytes: number): void {
    const wasEmpty = this.#filled === 0;
    this.#filled += bytes;
    if (wasEmpty) this.options.onData();
  }

  /** Where so many bytes can be written; undefined: there is no room. */
  #room(bytes: number): number | undefined {
    const needed = this.#filled + bytes;
    if (needed > QUEUE_BYTES) return undefined;
    if (needed > this.#filling.length) {
      let capacity = this.#filling.length;
      while (capacity < needed) capacity *= 2;
      const larger = new Uint8Array(capacity);
      larger.set(this.#filling.subarray(0, this.#filled));
      this.#filling = larger;
      this.#view = new DataView(larger.buffer);
    }
    return this.#filled;
  }
}
