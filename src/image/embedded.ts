/**
 * Files of the image that comes with fleetbox, as bytes. In a checkout they are plain; in a compiled executable each is
 * compressed with brotli and is in one of two places.
 *
 * In the executable's file, before what Deno put there (Linux): Deno reads all of its own part into memory, twice, at
 * every start, and 18 MB more would double each command's time. `inside.json`, beside the image's manifest, has the
 * offsets of these files. Elsewhere they are `NAME.br` among the files that Deno carries. `scripts/compile.ts` puts
 * them there.
 */

import { host } from "../system/os.ts";
import { exists } from "../system/files.ts";

const PIECE_BYTES = 256 * 1024;

/** By file: its offset and length in the executable. */
export type Inside = Record<string, [offset: number, length: number]>;

/** A file's bytes, unpacked. A piece is valid until the next one is requested. */
export async function* bytesOf(directory: string, file: string): AsyncGenerator<Uint8Array> {
  const path = `${directory}/${file}`;
  if (exists(path)) return yield* read(path);
  if (exists(`${path}.br`)) return yield* unpacked(read(`${path}.br`, { fresh: true }));
  const place = inside(directory)[file];
  if (place === undefined) return yield* read(path); // which throws that it does not exist
  const [offset, length] = place;
  yield* unpacked(read(host().ownFile(), { offset, length, fresh: true }));
}

function inside(directory: string): Inside {
  const path = `${directory}/inside.json`;
  return exists(path) ? JSON.parse(Deno.readTextFileSync(path)) : {};
}

async function* unpacked(packed: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  const { createBrotliDecompress } = await import("node:zlib");
  const { Readable } = await import("node:stream");
  const source = Readable.from(packed);
  const plain = createBrotliDecompress({ chunkSize: PIECE_BYTES });
  source.once("error", (cause: Error) => plain.destroy(cause));
  yield* source.pipe(plain) as AsyncIterable<Uint8Array>;
}

/** A part of a file, in pieces. `fresh`: each has its own memory. */
async function* read(
  path: string,
  options: { offset?: number; length?: number; fresh?: boolean } = {},
): AsyncGenerator<Uint8Array> {
  const { offset = 0, length = Infinity, fresh } = options;
  using file = await Deno.open(path);
  if (offset > 0) await file.seek(offset, Deno.SeekMode.Start);
  let buffer = new Uint8Array(PIECE_BYTES);
  for (let left = length; left > 0;) {
    const count = await file.read(buffer.subarray(0, Math.min(buffer.length, left)));
    if (count === null) return;
    yield buffer.subarray(0, count);
    left -= count;
    if (fresh) buffer = new Uint8Array(PIECE_BYTES);
  }
}
