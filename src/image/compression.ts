/**
 * Compressed images: gzip by Deno itself, xz by the host's program. The content tells the kind of a file, not its name.
 */

import { FleetboxError, isNoSpace } from "../core/errors.ts";
import { host } from "../system/os.ts";
import { run } from "../system/process.ts";
import { storeError } from "../system/files.ts";
import { SparseWriter } from "./sparse.ts";

type Compression = "gzip" | "xz";

/**
 * How a file is compressed, by its first bytes (RFC 1952, 2.3.1; the xz file format, 2.1.1.1); undefined: it is not
 * compressed.
 */
export function compressionOf(head: Uint8Array): Compression | undefined {
  if (head[0] === 0x1f && head[1] === 0x8b) return "gzip";
  return [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00].every((byte, at) => head[at] === byte) ? "xz" : undefined;
}

/**
 * Unpacks a file; zeros become holes.
 * @throws {FleetboxError} `damaged`: it is cut off or broken; `unavailable`: there is no `xz`; `no-space`
 */
export async function unpackFile(from: string, to: string, how: Compression, signal?: AbortSignal): Promise<void> {
  try {
    await (how === "xz" ? unpackXz(from, to, signal) : unpackGzip(from, to, signal));
  } catch (cause) {
    await Deno.remove(to).catch(() => {});
    signal?.throwIfAborted();
    if (cause instanceof FleetboxError && cause.code === "unavailable") throw cause;
    if (isNoSpace(cause)) throw storeError(`Cannot unpack ${from}`, cause);
    throw new FleetboxError("damaged", `Cannot unpack ${from}: it is not a whole ${how} file`, { cause });
  }
}

async function unpackGzip(from: string, to: string, signal?: AbortSignal): Promise<void> {
  const source = await Deno.open(from);
  const writer = await SparseWriter.create(to);
  try {
    for await (const piece of source.readable.pipeThrough(new DecompressionStream("gzip"))) {
      signal?.throwIfAborted();
      await writer.write(piece);
    }
    await writer.finish();
  } finally {
    writer.close();
  }
}

/** `xz` writes the file itself, with holes: it derives the name from a link that ends in `.xz`. */
async function unpackXz(from: string, to: string, signal?: AbortSignal): Promise<void> {
  const link = `${to}.xz`;
  try {
    await Deno.symlink(from, link);
    await run("xz", ["--decompress", "--keep", "--force", "--threads=0", "--", link], {
      signal,
      hint: `Install it: ${host().install("xz-utils")}`,
    });
  } finally {
    await Deno.remove(link).catch(() => {});
  }
}
