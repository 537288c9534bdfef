/**
 * The archives that a guest's `tar` writes, read as they come: GNU's and busybox's, one after the other. Nothing of it is believed but kinds,
 * names and sizes, which whoever reads has asked for.
 */

import { Buffer } from "node:buffer";
import { FleetboxError } from "../../core/errors.ts";
import { fromBytes } from "./byte_text.ts";

const BLOCK = 512;
/** A longer name or header is none that a file system has. */
const MAX_NAME = 64 * 1024;

export interface ReceivedEntry {
  /** As bytes. */
  name: string;
  kind: "file" | "link" | "hard-link" | "other";
  size: number;
  /** Seconds since 1970. */
  mtime: number;
  /** Of links, as bytes. */
  target: string;
  /** A file's content; the reader takes all of it. */
  content: AsyncGenerator<Uint8Array>;
}

/**
 * The entries of archives that follow each other, until a block that begins with the mark.
 * @throws {FleetboxError} `protocol`: it is no archive, or was cut off
 */
export async function* untar(bytes: ByteReader, mark: string): AsyncGenerator<ReceivedEntry> {
  let long: { name?: string; target?: string } = {};
  for (;;) {
    const start = await bytes.peek(mark.length);
    if (fromBytes(start) === mark) return void await bytes.take(mark.length);
    const header = await bytes.take(BLOCK);
    if (header.length < BLOCK) throw cutOff();
    if (header.every((byte) => byte === 0)) continue; // the end of an archive, or what fills its last record
    const field = (at: number, length: number) => fromBytes(header.subarray(at, at + length)).replace(/\0.*$/s, "");
    if (!isHeader(header, field(148, 8))) throw cutOff();
    const size = numberIn(header.subarray(124, 136));
    const type = field(156, 1);
    if (type === "L" || type === "K") {
      if (size > MAX_NAME) throw cutOff();
      const text = fromBytes((await wholeOf(bytes, size)).subarray(0, size)).replace(/\0.*$/s, "");
      long = { ...long, ...(type === "L" ? { name: text } : { target: text }) };
      continue;
    }
    const prefix = field(257, 6) === "ustar" && header[263] === 0x30 ? field(345, 155) : "";
    const short = prefix === "" ? field(0, 100) : `${prefix}/${field(0, 100)}`;
    const kind = type === "" || type === "0" ? "file" : type === "1" ? "hard-link" : type === "2" ? "link" : "other";
    const hasContent = kind === "file" || kind === "other";
    const content = contentOf(bytes, hasContent ? size : 0);
    const mtime = numberIn(header.subarray(136, 148));
    yield { name: long.name ?? short, target: long.target ?? field(157, 100), kind, size, mtime, content };
    for await (const _ of content);
    long = {};
  }
}

async function* contentOf(bytes: ByteReader, size: number): AsyncGenerator<Uint8Array> {
  let left = size;
  // Also when the reader stops early: what follows begins behind it.
  try {
    while (left > 0) {
      const piece = await bytes.some(left);
      if (piece.length === 0) throw cutOff();
      left -= piece.length;
      yield piece;
    }
  } finally {
    while (left > 0) {
      const { length } = await bytes.some(left);
      if (length === 0) break;
      left -= length;
    }
    await bytes.take((BLOCK - size % BLOCK) % BLOCK);
  }
}

async function wholeOf(bytes: ByteReader, size: number): Promise<Uint8Array> {
  const padded = Math.ceil(size / BLOCK) * BLOCK;
  const whole = await bytes.take(padded);
  if (whole.length < padded) throw cutOff();
  return whole;
}

function isHeader(header: Uint8Array, sum: string): boolean {
  const total = header.reduce((all, byte, at) => all + (at >= 148 && at < 156 ? 0x20 : byte), 0);
  return parseInt(sum.trim(), 8) === total;
}

/** Octal digits, or binary, big-endian, behind a first bit that is set (two's complement). */
function numberIn(field: Uint8Array): number {
  if (!(field[0] & 0x80)) return parseInt(fromBytes(field).replace(/\0.*$/s, "").trim() || "0", 8);
  let value = BigInt(field[0] & 0x7f);
  for (const byte of field.subarray(1)) value = value << 8n | BigInt(byte);
  return Number(BigInt.asIntN(8 * field.length - 1, value));
}

function cutOff(): FleetboxError {
  return new FleetboxError("protocol", "The guest's archive is malformed, or was cut off", {
    hint: "Sync again; a login shell that prints something does that, too: fleetbox exec NAME -- true",
  });
}

/** A stream, read in pieces of the sizes that its reader wants. */
export class ByteReader {
  #held = Buffer.alloc(0);
  #isOver = false;

  constructor(private readonly pieces: AsyncIterator<Uint8Array>) {}

  /** Whether the stream has ended. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** The next bytes, which are read again later; fewer at the end. */
  async peek(count: number): Promise<Uint8Array> {
    while (this.#held.length < count && !this.#isOver) await this.#more();
    return this.#held.subarray(0, count);
  }

  /** So many bytes; fewer at the end. */
  async take(count: number): Promise<Uint8Array> {
    const bytes = await this.peek(count);
    this.#held = this.#held.subarray(bytes.length);
    return bytes;
  }

  /** At least one byte and at most so many; none at the end. */
  async some(most: number): Promise<Uint8Array> {
    if (this.#held.length === 0) await this.peek(1);
    return await this.take(Math.min(most, this.#held.length));
  }

  /** All that is left, as bytes in text. */
  async rest(): Promise<string> {
    while (!this.#isOver) await this.#more();
    return fromBytes(this.#held);
  }

  async #more(): Promise<void> {
    const { value, done } = await this.pieces.next();
    if (done) this.#isOver = true;
    else this.#held = this.#held.length === 0 ? Buffer.from(value) : Buffer.concat([this.#held, value]);
  }
}
