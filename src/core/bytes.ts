/** Bytes joined and written whole, and text within limits: of bytes, for sockets and files, of characters, for people. Imports nothing. */

const encoder = new TextEncoder();

export function byteLength(text: string): number {
  return encoder.encode(text).length;
}

/** In hexadecimal digits: `toHex()` of the language, which Node 20 to 24 do not have. */
export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Writes all of it to a file or a connection, each of which may take less at a time. @throws what its `write` throws */
export async function writeAll(to: { write(bytes: Uint8Array): Promise<number> }, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await to.write(bytes.subarray(at));
}

/** Pieces as one. @param length that of all of them */
export function joined(
  pieces: readonly Uint8Array[],
  length: number = pieces.reduce((sum, piece) => sum + piece.length, 0),
): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

/** At most `max` characters. */
export function clip(text: string, max: number): string {
  return text.length <= max ? text : text.slice(0, max - 1) + "…";
}

/** At most `max` bytes of UTF-8, whole characters. */
export function clipBytes(text: string, max: number): string {
  if (byteLength(text) <= max) return text;
  const { read } = encoder.encodeInto(text, new Uint8Array(Math.max(0, max - 3)));
  return text.slice(0, read) + "…";
}
