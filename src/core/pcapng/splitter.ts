/**
 * Whole blocks of a pcapng stream that arrives in pieces, and what they say about it: how many packets, and how many are missing.
 *
 * What is written to a file ends with a whole block this way, wherever the stream broke off. Reads what `blocks.ts` writes, that is,
 * one byte order. Pure.
 */

import { BLOCK, STATISTIC } from "./blocks.ts";

/** The longest block: the largest frame, and its comments. */
const MAX_BLOCK = 16 * 1024 * 1024;
const SHORTEST_BLOCK = 12;

export class BlockSplitter {
  /** Packets so far. */
  packets = 0;
  /** Packets that are not in the stream, as its statistics say; undefined before these, which are its end. */
  missing: number | undefined;
  #rest: Uint8Array = new Uint8Array();

  /** Takes the next piece, and gives all blocks that are whole now. @throws {Error} it is no pcapng of ours */
  push(piece: Uint8Array): Uint8Array {
    let bytes = piece;
    if (this.#rest.length > 0) {
      bytes = new Uint8Array(this.#rest.length + piece.length);
      bytes.set(this.#rest);
      bytes.set(piece, this.#rest.length);
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let at = 0;
    while (at + 8 <= bytes.length) {
      const length = view.getUint32(at + 4, true);
      if (length < SHORTEST_BLOCK || length > MAX_BLOCK || length % 4 !== 0) {
        throw new Error(`a block of ${length} bytes in a pcapng stream`);
      }
      if (at + length > bytes.length) break;
      this.#see(view, at, length);
      at += length;
    }
    this.#rest = bytes.slice(at);
    return bytes.subarray(0, at);
  }

  #see(view: DataView, at: number, length: number): void {
    const type = view.getUint32(at, true);
    if (type === BLOCK.packet) this.packets++;
    if (type !== BLOCK.statistics) return;
    this.missing ??= 0;
    for (let option = at + 20; option + 4 < at + length;) {
      const bytes = view.getUint16(option + 2, true);
      if (view.getUint16(option, true) === STATISTIC.dropped) {
        this.missing += Number(view.getBigUint64(option + 4, true));
      }
      option += 4 + ((bytes + 3) & ~3);
    }
  }
}
