/** Logs of writes for tests, as `blklogwrites` makes them. */

import { type LogBytes, SECTOR } from "./write_log.ts";

export type Written =
  | { sector: number; data: Uint8Array; isDurable?: boolean }
  | { sector: number; discard: number }
  | { flush: true };

export function logOf(written: readonly Written[]): Uint8Array<ArrayBuffer> {
  const blocks: Uint8Array[] = [superblock(written.length)];
  for (const one of written) {
    if ("flush" in one) blocks.push(header(0, 0, 1));
    else if ("discard" in one) blocks.push(header(one.sector, one.discard, 4));
    else blocks.push(header(one.sector, one.data.length / SECTOR, one.isDurable ? 2 : 0), one.data);
  }
  const log = new Uint8Array(blocks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const block of blocks) {
    log.set(block, at);
    at += block.length;
  }
  return log;
}

export function bytesOf(log: Uint8Array): LogBytes {
  return { size: log.length, read: (at, into) => into.set(log.subarray(at, at + into.length)) };
}

function superblock(entries: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(SECTOR));
  view.setBigUint64(0, 0x6a736677736872n, true);
  view.setBigUint64(8, 1n, true);
  view.setBigUint64(16, BigInt(entries), true);
  view.setUint32(24, SECTOR, true);
  return new Uint8Array(view.buffer);
}

function header(sector: number, sectors: number, flags: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(SECTOR));
  [sector, sectors, flags].forEach((value, index) => view.setBigUint64(index * 8, BigInt(value), true));
  return new Uint8Array(view.buffer);
}
