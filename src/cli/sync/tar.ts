/**
 * Archives as GNU's tar and busybox's read them: ustar's header (POSIX.1-1988), with GNU's `L` and `K` entries for long names
 * and targets, and its binary form of large numbers.
 */

import { joined } from "../../core/bytes.ts";
import { toBytes } from "./byte_text.ts";

const BLOCK = 512;
const NAME_BYTES = 100;

export interface TarEntry {
  /** As bytes. */
  name: string;
  kind: "file" | "link";
  mode: number;
  size: number;
  /** Seconds since 1970. */
  mtime: number;
  /** Of a link, as bytes. */
  target?: string;
}

/** The header of an entry; the content of a file follows, then {@link padding}. */
export function tarHeader({ name, kind, mode, size, mtime, target = "" }: TarEntry): Uint8Array<ArrayBuffer> {
  const long = (type: string, text: string) =>
    text.length <= NAME_BYTES ? [] : [
      block("././@LongLink", type, { mode: 0, size: text.length + 1, mtime: 0 }),
      toBytes(`${text}\0`),
      padding(text.length + 1),
    ];
  const facts = { mode, size: kind === "file" ? size : 0, mtime };
  return joined([
    ...long("K", target),
    ...long("L", name),
    block(name, kind === "file" ? "0" : "2", facts, target),
  ]);
}

/** What fills the last block of so many bytes. */
export function padding(size: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array((BLOCK - size % BLOCK) % BLOCK);
}

/** The end of an archive. */
export function tarEnd(): Uint8Array<ArrayBuffer> {
  return new Uint8Array(2 * BLOCK);
}

function block(
  name: string,
  type: string,
  { mode, size, mtime }: { mode: number; size: number; mtime: number },
  target = "",
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(BLOCK);
  const put = (at: number, text: string) => bytes.set(toBytes(text), at);
  put(0, name.slice(0, NAME_BYTES));
  put(100, octal(mode, 8));
  put(108, octal(0, 8));
  put(116, octal(0, 8));
  bytes.set(number(size, 12), 124);
  bytes.set(number(mtime, 12), 136);
  put(148, " ".repeat(8));
  put(156, type);
  put(157, target.slice(0, NAME_BYTES));
  put(257, "ustar  \0");
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  put(148, `${sum.toString(8).padStart(6, "0")}\0 `);
  return bytes;
}

function octal(value: number, width: number): string {
  return `${value.toString(8).padStart(width - 1, "0")}\0`;
}

/** Octal digits; what does not fit is binary, big-endian, with the first bit set (two's complement). */
function number(value: number, width: number): Uint8Array {
  if (value >= 0 && value < 8 ** (width - 1)) return toBytes(octal(value, width));
  const bytes = new Uint8Array(width);
  let rest = BigInt(value);
  for (let at = width - 1; at >= 0; at--, rest >>= 8n) bytes[at] = Number(rest & 0xffn);
  bytes[0] |= 0x80;
  return bytes;
}
