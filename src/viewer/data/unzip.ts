/**
 * The files of a zip, as far as they are there. Runs in the page and in `fleetbox trace show`; inflates with what browsers and
 * Deno have themselves.
 *
 * A whole zip is read by its directory. One that was cut off has none: then by the headers before each file, and the last file as
 * far as it goes. Format: PKWARE's APPNOTE, without encryption and ZIP64, which a bundle of 64 MiB does not need.
 */

import { joined } from "../../core/bytes.ts";

/** A file of a zip, packed. */
export interface Entry {
  name: string;
  /** 0: stored; 8: deflated. */
  method: number;
  packed: Uint8Array<ArrayBuffer>;
  /** Its length when unpacked, as the zip says. */
  size: number;
  /** Whether its end is missing. */
  isCut: boolean;
}

const LOCAL = 0x04034b50, CENTRAL = 0x02014b50, END = 0x06054b50, DESCRIPTOR = 0x08074b50;
const [STORED, DEFLATED] = [0, 8];

/** Whether bytes begin as a zip does. */
export function isZip(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && bytes[0] === 0x50 && bytes[1] === 0x4b && bytes[2] === 3 && bytes[3] === 4;
}

/** The files of a zip. `isWhole`: it has its directory. */
export function entriesOf(bytes: Uint8Array<ArrayBuffer>): { entries: Entry[]; isWhole: boolean } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const entries = byDirectory(bytes, view);
  return entries ? { entries, isWhole: true } : { entries: byHeaders(bytes, view), isWhole: false };
}

function byDirectory(bytes: Uint8Array<ArrayBuffer>, view: DataView): Entry[] | undefined {
  let end = bytes.length - 22;
  for (const lowest = Math.max(0, end - 65_535); end >= lowest; end--) if (view.getUint32(end, true) === END) break;
  if (end < 0 || view.getUint32(end, true) !== END) return undefined;
  const entries: Entry[] = [];
  let at = view.getUint32(end + 16, true);
  for (let count = view.getUint16(end + 10, true); count > 0; count--) {
    if (at + 46 > bytes.length || view.getUint32(at, true) !== CENTRAL) return undefined;
    const length = view.getUint16(at + 28, true), local = view.getUint32(at + 42, true);
    if (local + 30 > bytes.length) return undefined;
    const from = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
    const packed = bytes.subarray(from, from + view.getUint32(at + 20, true));
    entries.push({
      name: nameAt(bytes, at + 46, length),
      method: view.getUint16(at + 10, true),
      packed,
      size: view.getUint32(at + 24, true),
      isCut: packed.length < view.getUint32(at + 20, true),
    });
    at += 46 + length + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
  }
  return entries;
}

function byHeaders(bytes: Uint8Array<ArrayBuffer>, view: DataView): Entry[] {
  const entries: Entry[] = [];
  for (let at = 0; at + 30 <= bytes.length && view.getUint32(at, true) === LOCAL;) {
    const length = view.getUint16(at + 26, true);
    const from = at + 30 + length + view.getUint16(at + 28, true);
    if (from > bytes.length) break;
    // In a zip that is written as a stream the sizes come after the data.
    const after = (view.getUint16(at + 6, true) & 8) !== 0 ? descriptorAfter(view, from) : undefined;
    const end = after?.data ?? from + view.getUint32(at + 18, true);
    const name = nameAt(bytes, at + 30, length);
    entries.push({
      name,
      method: view.getUint16(at + 8, true),
      packed: bytes.subarray(from, Math.min(end, bytes.length)),
      size: after ? after.size : view.getUint32(at + 22, true),
      isCut: after ? after.isMissing : end > bytes.length,
    });
    at = after?.next ?? end;
  }
  return entries;
}

/** What comes after a file's data: its checksum and sizes, perhaps after a signature. It is known by the length of the data. */
function descriptorAfter(
  view: DataView,
  from: number,
): { data: number; next: number; size: number; isMissing: boolean } {
  const { byteLength } = view;
  for (let at = from; at + 12 <= byteLength; at++) {
    const length = view.getUint32(at + 4, true);
    const isSigned = length === at - 4 - from && view.getUint32(at - 4, true) === DESCRIPTOR;
    if (!isSigned && length !== at - from) continue;
    const next = at + 12, word = next + 4 > byteLength ? LOCAL : view.getUint32(next, true);
    if (word !== LOCAL && word !== CENTRAL) continue;
    return { data: from + length, next, size: view.getUint32(at + 8, true), isMissing: false };
  }
  return { data: byteLength, next: byteLength, size: 0, isMissing: true };
}

function nameAt(bytes: Uint8Array, at: number, length: number): string {
  return new TextDecoder().decode(bytes.subarray(at, at + length));
}

/** The content of a file; what is damaged is left out from there on. */
export async function unpack({ method, packed }: Entry): Promise<Uint8Array<ArrayBuffer>> {
  if (method === STORED) return packed;
  return method === DEFLATED ? await inflate(packed) : new Uint8Array();
}

/** The same in pieces. It fails where it is damaged. */
export function unpackedStream(
  { method, packed }: Pick<Entry, "method" | "packed">,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const pieces = new Blob([packed]).stream();
  return method === DEFLATED ? pieces.pipeThrough(new DecompressionStream("deflate-raw")) : pieces;
}

/** Inflates (RFC 1951), as far as it goes. */
export async function inflate(packed: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const inflated = () => unpackedStream({ method: DEFLATED, packed });
  try {
    return new Uint8Array(await new Response(inflated()).arrayBuffer());
  } catch { /* it is damaged: once more, in pieces */ }
  const pieces: Uint8Array[] = [];
  let length = 0;
  const reader = inflated().getReader();
  try {
    for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
      pieces.push(value!);
      length += value!.length;
    }
  } catch { /* it ends early, or is followed by something else: what came until then is kept */ }
  return joined(pieces, length);
}
