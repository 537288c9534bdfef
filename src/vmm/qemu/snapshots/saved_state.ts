/**
 * The file with a saved machine's devices: a header of ours, then what QEMU itself writes for a machine that moves.
 *
 * The header says what the state fits (hypervisor and hardware) and what it is (length and SHA-256), in one JSON object in
 * 4 KiB. It is written last: a file without one is no saved state. It lets a restore refuse in words what QEMU would refuse
 * in its own, or take and go wrong with later.
 */

import { FleetboxError, isNotFound, messageOf } from "../../../core/errors.ts";
import { writeAll } from "../../../core/bytes.ts";

const HEADER_BYTES = 4096;
const MAGIC = "fleetbox saved machine";
const VERSION = 1;
const PIECE_BYTES = 64 * 1024;

/** What must be equal where a state is loaded: parts, joined by {@link PART_SEPARATOR}. */
export interface Fit {
  /** The hypervisor and the host. */
  host: string;
  /** The machine's own hardware. */
  hardware: string;
}

export const PART_SEPARATOR = "; ";

export interface SavedState extends Fit {
  bytes: number;
  sha256: string;
}

/** Writes all that comes from `source` into a file that is there. @throws what reading or writing throws */
export async function receiveState(source: Pick<Deno.Conn, "read">, path: string, fit: Fit): Promise<void> {
  using file = await Deno.open(path, { write: true });
  await file.seek(HEADER_BYTES, Deno.SeekMode.Start);
  const buffer = new Uint8Array(PIECE_BYTES);
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  for (let count; (count = await source.read(buffer)) !== null;) {
    const piece = buffer.slice(0, count);
    pieces.push(piece);
    await writeAll(file, piece);
  }
  const content = new Uint8Array(await new Blob(pieces).arrayBuffer());
  await file.seek(0, Deno.SeekMode.Start);
  await writeAll(file, header({ ...fit, bytes: content.length, sha256: await sha256Of(content) }));
}

/** Web Crypto's, which takes all of it at once: it is a few MiB, and `node:crypto` costs a holder more than that for good. */
async function sha256Of(content: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", content)).toHex();
}

function header(state: SavedState): Uint8Array {
  const text = JSON.stringify({ what: MAGIC, version: VERSION, ...state });
  const bytes = new Uint8Array(HEADER_BYTES).fill(0x20);
  const { written, read } = new TextEncoder().encodeInto(text, bytes.subarray(0, HEADER_BYTES - 1));
  if (read < text.length) {
    throw new FleetboxError("failed", `A saved machine's header has no room for ${written} bytes`);
  }
  bytes[HEADER_BYTES - 1] = 0x0a;
  return bytes;
}

/**
 * Reads a saved state's header, and all of it once: its length and digest must be right.
 * @throws {FleetboxError} `not-found`, `damaged`
 */
export async function readState(path: string): Promise<SavedState> {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(path);
  } catch (cause) {
    const code = isNotFound(cause) ? "not-found" : "failed";
    throw new FleetboxError(code, `Cannot read the saved state ${path}: ${messageOf(cause)}`, { cause });
  }
  using _ = file;
  const first = new Uint8Array(HEADER_BYTES);
  const filled = await fill(file, first);
  const state = parseHeader(new TextDecoder().decode(first.subarray(0, filled)));
  if (state === undefined) throw damaged(path, "it does not begin as one");
  const bytes = (await file.stat()).size - HEADER_BYTES;
  if (bytes !== state.bytes) throw damaged(path, `it has ${bytes} bytes, expected ${state.bytes}`);
  const content = new Uint8Array(bytes);
  await fill(file, content);
  if (await sha256Of(content) !== state.sha256) throw damaged(path, "its content is not what was written");
  return state;
}

/** Reads until a buffer is full or the file ends. @returns how many bytes it has read */
async function fill(file: Deno.FsFile, buffer: Uint8Array): Promise<number> {
  let at = 0;
  for (let count; at < buffer.length && (count = await file.read(buffer.subarray(at))) !== null;) at += count;
  return at;
}

/** Plays a state that {@link readState} has found to be sound. */
export async function playState(path: string, target: Pick<Deno.UnixConn, "write">): Promise<void> {
  using file = await Deno.open(path);
  await file.seek(HEADER_BYTES, Deno.SeekMode.Start);
  const buffer = new Uint8Array(PIECE_BYTES);
  for (let count; (count = await file.read(buffer)) !== null;) await writeAll(target, buffer.subarray(0, count));
}

/** @internal A header's content, or undefined. */
export function parseHeader(text: string): SavedState | undefined {
  try {
    const { what, version, host, hardware, bytes, sha256 } = JSON.parse(text);
    const isSound = what === MAGIC && version === VERSION && Number.isSafeInteger(bytes) &&
      [host, hardware, sha256].every((value) => typeof value === "string");
    return isSound ? { host, hardware, bytes, sha256 } : undefined;
  } catch {
    return undefined;
  }
}

export function damaged(path: string, why: string): FleetboxError {
  return new FleetboxError("damaged", `The saved state ${path} is damaged: ${why}`);
}

/** How two texts of parts differ, for people: `found A, expected B`. Pure. */
export function difference(saved: string, now: string): string | undefined {
  if (saved === now) return undefined;
  const [before, after] = [saved, now].map((text) => text.split(PART_SEPARATOR));
  const only = (parts: string[], others: string[]) =>
    parts.filter((part) => !others.includes(part)).join(", ") || "less";
  return `found ${only(after, before)}, expected ${only(before, after)}`;
}
