/**
 * The log of a disk's writes, as QEMU's `blklogwrites` makes it: the format of Linux's dm-log-writes
 * (`Documentation/admin-guide/device-mapper/log-writes.rst`). Pure: bytes are read through a {@link LogBytes}.
 *
 * A superblock of one sector; then for each request a sector of header, and its data. All numbers are little-endian.
 *
 *     superblock   magic (u64), version (u64), number of entries (u64), size of a sector (u32)
 *     header       first sector (u64), sectors (u64), flags (u64), length of a mark's data (u64)
 *
 * The superblock is written at a flush, from time to time, and in no order with the entries: until then it is zeros, and later its
 * number is one of the past. So the entries are read up to the end of the file, and the number is not looked at. Requests get their place
 * when they begin: the end of the file may be missing, or a hole may be in it, where QEMU was killed in the middle of one, or where
 * the log could not be written. After a hole nothing is known: where the next entry begins is in the header that is missing.
 */

export const SECTOR = 512;
const MAGIC = 0x6a736677736872n;
const FLUSH = 1;
const DURABLE = 2;
const DISCARD = 4;
const KNOWN_FLAGS = FLUSH | DURABLE | DISCARD;

/** The bytes of a log. */
export interface LogBytes {
  readonly size: number;
  /** Fills `into` with the bytes from an offset on, which are there. */
  read(at: number, into: Uint8Array): void;
}

/** One request of the guest, which its disk has completed, or was about to. */
export interface LogEntry {
  kind: "write" | "discard" | "flush";
  /** The first sector of the disk, and how many; 0 of a flush. */
  sector: number;
  sectors: number;
  /** Whether it was on the disk for good when it was completed, without a flush. */
  isDurable: boolean;
  /** Where the data of a write is in the log. */
  at: number;
}

/** How a log ends. `cut`: in the middle of an entry. `hole`: an entry is missing, and the log goes on. */
export type LogEnd = { kind: "whole" } | { kind: "cut" } | { kind: "hole"; at: number };

/**
 * The entries of a log, in their order, as far as they can be read.
 * @param diskSectors an entry beyond the disk is none
 * @returns how it ends
 * @throws {TypeError} it is no such log
 */
export function* logEntries(log: LogBytes, diskSectors: number): Generator<LogEntry, LogEnd> {
  checkSuperblock(log);
  const header = new Uint8Array(SECTOR);
  const view = new DataView(header.buffer);
  let at = SECTOR;
  while (at < log.size) {
    if (at + SECTOR > log.size) return { kind: "cut" };
    log.read(at, header);
    const [sector, sectors, flags] = [0, 8, 16].map((offset) => Number(view.getBigUint64(offset, true)));
    const isFlush = (flags & FLUSH) !== 0 && sectors === 0;
    const isKnown = flags <= KNOWN_FLAGS && sector + sectors <= diskSectors && (isFlush || sectors > 0);
    if (!isKnown) return { kind: "hole", at };
    const isDiscard = (flags & DISCARD) !== 0;
    const dataAt = at + SECTOR;
    const next = dataAt + (isDiscard ? 0 : sectors * SECTOR);
    if (next > log.size) return { kind: "cut" };
    // A write may ask for a flush before it: what comes before is durable then.
    if ((flags & FLUSH) !== 0 && !isFlush) {
      yield { kind: "flush", sector: 0, sectors: 0, isDurable: true, at: dataAt };
    }
    const kind = isFlush ? "flush" : isDiscard ? "discard" : "write";
    yield { kind, sector, sectors, isDurable: isFlush || (flags & DURABLE) !== 0, at: dataAt };
    at = next;
  }
  return { kind: "whole" };
}

/** A log without an entry may be empty. */
function checkSuperblock(log: LogBytes): void {
  if (log.size < SECTOR) return;
  const block = new Uint8Array(SECTOR);
  log.read(0, block);
  const view = new DataView(block.buffer);
  const [magic, version] = [view.getBigUint64(0, true), view.getBigUint64(8, true)];
  if (magic === 0n) return;
  if (magic !== MAGIC) throw new TypeError(`no log of writes: it begins with 0x${magic.toString(16)}`);
  const size = view.getUint32(24, true);
  if (version !== 1n || size !== SECTOR) {
    throw new TypeError(
      `a log of writes of version ${version} with sectors of ${size} bytes, expected 1 and ${SECTOR}`,
    );
  }
}
