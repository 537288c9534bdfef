/**
 * Whole blocks of a pcapng stream that arrives in pieces, and what they say about it: how many packets, and how many are missing.
 *
 * What is written to a file ends with a whole block this way, wherever the stream broke off. Reads what `blocks.ts` writes, that is,
 * one byte order. Pure.
 */

import { joined } from "../bytes.ts";
import { BLOCK, STATISTIC } from "./blocks.ts";
import { optionsIn } from "./options.ts";

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
    const bytes = this.#rest.length > 0 ? joined([this.#rest, piece]) : piece;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let at = 0;
    while (at + 8 <= bytes.length) {
      const length = view.getUint32(at + 4, true);
      if (length < SHORTEST_BLOCK || length > MAX_BLOCK || length % 4 !== 0) {
        throw new Error(`a block of ${length} bytes in a pcapng stream`);
      }
      if (at + length > bytes.length) break;
      const type = view.getUint32(at, true);
      if (type === BLOCK.packet) this.packets++;
      else if (type === BLOCK.statistics) this.#countMissing(bytes.subarray(at, at + length));
      at += length;
    }
    this.#rest = bytes.slice(at);
    return bytes.subarray(0, at);
  }

  #countMissing(block: Uint8Array): void {
    this.missing ??= 0;
    for (const [code, value] of optionsIn(block, 20)) {
      if (code !== STATISTIC.dropped) continue;
      this.missing += Number(new DataView(value.buffer, value.byteOffset).getBigUint64(0, true));
    }
  }
}
