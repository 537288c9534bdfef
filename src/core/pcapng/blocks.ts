/**
 * The blocks of a pcapng file, as bytes: a section, its interfaces, names of addresses, packets, and statistics.
 *
 * Format: IETF draft-ietf-opsawg-pcapng, "PCAP Next Generation (pcapng) Capture File Format". A block is its type, its length,
 * its body, and its length again; bodies and values of options are padded to 32 bits. We write little-endian: the magic number of
 * the section says so. Pure: nothing is read or written, and only {@link writePacket}, which is called for each frame,
 * writes into a buffer that it is given.
 */

import { joined } from "../bytes.ts";
import { padded } from "./options.ts";

/** The types of blocks that we write. */
export const BLOCK = { section: 0x0a0d0d0a, interface: 1, names: 4, statistics: 5, packet: 6 } as const;
/** The codes of options in a statistics block. */
export const STATISTIC = { comment: 1, start: 2, end: 3, received: 4, dropped: 5 } as const;

const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
const ETHERNET = 1;
const COMMENT = 1;
const END_OF_OPTIONS = Uint8Array.of(0, 0, 0, 0);
/** The longest value of an option: its length is a 16-bit number, and its padding must fit, too. */
const MAX_VALUE = 0xfff0;
/** What a packet's block has besides its data, its padding and its options. */
const PACKET_BYTES = 32;
/** `TC_ACT_SHOT` of Linux's traffic control: dropped. */
const SHOT = 2;

/** An option of a block. Numbers of 64 bits may be up to 2^53. */
type Option = [code: number, value: string | Uint8Array];

/** Which way a packet went, as its interface sees it: the values of `epb_flags`. */
export const DIRECTION = { inbound: 1, outbound: 2 } as const;
export type Direction = typeof DIRECTION[keyof typeof DIRECTION];

/** The beginning of a file. */
export function sectionBlock(application: string): Uint8Array<ArrayBuffer> {
  const body = new Uint8Array(16);
  const view = new DataView(body.buffer);
  view.setUint32(0, BYTE_ORDER_MAGIC, true);
  view.setUint16(4, 1, true); // version 1.0
  body.fill(0xff, 8); // the section's length is not known
  return block(BLOCK.section, body, options([[4, application]]));
}

/**
 * An Ethernet interface. Packets name it by its place among the interfaces of the section. Its times are microseconds.
 * @param snap how many bytes of a packet are kept. Absent: all
 */
export function interfaceBlock(
  { name, description, mac, snap = 0 }: { name: string; description: string; mac?: Uint8Array; snap?: number },
): Uint8Array<ArrayBuffer> {
  const body = new Uint8Array(8);
  const view = new DataView(body.buffer);
  view.setUint16(0, ETHERNET, true);
  view.setUint32(4, snap, true);
  return block(
    BLOCK.interface,
    body,
    options([[2, name], [3, description], ...mac ? [[6, mac] satisfies Option] : [], [9, Uint8Array.of(6)]]),
  );
}

/** Names of IPv4 addresses. */
export function namesBlock(
  records: readonly { address: Uint8Array; names: readonly string[] }[],
): Uint8Array<ArrayBuffer> {
  const parts = records.map(({ address, names }) =>
    option(1, Uint8Array.from([...address, ...names.flatMap((name) => [...encode(name), 0])]))
  );
  return block(BLOCK.names, joined([...parts, END_OF_OPTIONS]), new Uint8Array());
}

/** What became of an interface's frames. Times in microseconds since 1970. */
export function statisticsBlock(
  { interfaceId, timeUs, startUs, received, dropped, comments = [] }: {
    interfaceId: number;
    timeUs: number;
    startUs: number;
    /** Frames that it sent or got. */
    received: number;
    /** Those of them that are not in the file. */
    dropped: number;
    comments?: readonly string[];
  },
): Uint8Array<ArrayBuffer> {
  const body = new Uint8Array(12);
  const view = new DataView(body.buffer);
  view.setUint32(0, interfaceId, true);
  writeTime(view, 4, timeUs);
  return block(
    BLOCK.statistics,
    body,
    options([
      ...comments.map((text): Option => [COMMENT, text]),
      [STATISTIC.start, time(startUs)],
      [STATISTIC.end, time(timeUs)],
      [STATISTIC.received, uint64(received)],
      [STATISTIC.dropped, uint64(dropped)],
    ]),
  );
}

/**
 * The options of a packet.
 * @param missed frames of its interface that were to be before it, and are not in the file
 */
export function packetOptions(
  { direction, comments = [], isDropped = false, missed = 0 }: {
    direction: Direction;
    comments?: readonly string[];
    /** Whether nobody got it: its verdict is the one that Linux's traffic control has for that. */
    isDropped?: boolean;
    missed?: number;
  },
): Uint8Array<ArrayBuffer> {
  return options([
    ...comments.map((text): Option => [COMMENT, text]),
    [2, Uint8Array.of(direction, 0, 0, 0)],
    ...missed > 0 ? [[4, uint64(missed)] satisfies Option] : [],
    ...isDropped ? [[7, joined([Uint8Array.of(1), uint64(SHOT)])] satisfies Option] : [],
  ]);
}

/** How long the block of a packet is. @param options what {@link packetOptions} gave */
export function packetBytes(length: number, options: Uint8Array): number {
  return PACKET_BYTES + padded(length) + options.length;
}

/** Writes the block of a packet, `frame[from, end)`, of which `frame[from, until)` is kept. @param view a view of all of `into` */
export function writePacket(
  into: Uint8Array,
  view: DataView,
  at: number,
  { interfaceId, timeUs, frame, from, end, until = end, options }: {
    interfaceId: number;
    timeUs: number;
    frame: Uint8Array;
    from: number;
    end: number;
    /** @default end */
    until?: number;
    options: Uint8Array;
  },
): void {
  putPacket(into, view, at, interfaceId, timeUs, frame, from, until, end, options);
}

/** The same, for each frame of a run: an object for each would cost more than the rest. */
export function putPacket(
  into: Uint8Array,
  view: DataView,
  at: number,
  interfaceId: number,
  timeUs: number,
  frame: Uint8Array,
  from: number,
  until: number,
  end: number,
  options: Uint8Array,
): void {
  const length = until - from;
  const total = packetBytes(length, options);
  view.setUint32(at, BLOCK.packet, true);
  view.setUint32(at + 4, total, true);
  view.setUint32(at + 8, interfaceId, true);
  writeTime(view, at + 12, timeUs);
  view.setUint32(at + 20, length, true);
  view.setUint32(at + 24, end - from, true);
  into.set(frame.subarray(from, until), at + 28);
  const padding = at + 28 + length, after = at + 28 + padded(length);
  for (let zero = padding; zero < after; zero++) into[zero] = 0;
  for (let index = 0; index < options.length; index++) into[after + index] = options[index]; // few: faster than `set`
  view.setUint32(at + total - 4, total, true);
}

function block(type: number, body: Uint8Array, options: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(12 + padded(body.length) + options.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setUint32(4, bytes.length, true);
  bytes.set(body, 8);
  bytes.set(options, 8 + padded(body.length));
  view.setUint32(bytes.length - 4, bytes.length, true);
  return bytes;
}

function options(all: readonly Option[]): Uint8Array<ArrayBuffer> {
  return joined([
    ...all.map(([code, value]) => option(code, typeof value === "string" ? encode(value) : value)),
    END_OF_OPTIONS,
  ]);
}

function option(code: number, value: Uint8Array): Uint8Array {
  const cut = value.subarray(0, MAX_VALUE);
  const bytes = new Uint8Array(4 + padded(cut.length));
  const view = new DataView(bytes.buffer);
  view.setUint16(0, code, true);
  view.setUint16(2, cut.length, true);
  bytes.set(cut, 4);
  return bytes;
}

/** A time in microseconds: its high half, then its low half, in all byte orders. */
function writeTime(view: DataView, at: number, timeUs: number): void {
  view.setUint32(at, Math.floor(timeUs / 2 ** 32), true);
  view.setUint32(at + 4, timeUs % 2 ** 32, true);
}

function time(timeUs: number): Uint8Array {
  const bytes = new Uint8Array(8);
  writeTime(new DataView(bytes.buffer), 0, timeUs);
  return bytes;
}

function uint64(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true);
  return bytes;
}

const encode = (text: string) => new TextEncoder().encode(text);
