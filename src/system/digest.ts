/** SHA-256 of a file, in pieces: Web Crypto's digest needs the whole file in memory. */

/** The digest of a file, in hexadecimal. @throws the signal's reason */
export async function digestOfFile(path: string, signal?: AbortSignal): Promise<string> {
  using file = await Deno.open(path);
  return await digestOfRest(file, signal);
}

/** The digest of an open file, from where it is to its end. */
export async function digestOfRest(file: Deno.FsFile, signal?: AbortSignal): Promise<string> {
  const { createHash } = await import("node:crypto"); // lazily: it costs each process some MiB
  const hash = createHash("sha256");
  const buffer = new Uint8Array(1024 * 1024);
  for (let count = await file.read(buffer); count !== null; count = await file.read(buffer)) {
    signal?.throwIfAborted();
    hash.update(buffer.subarray(0, count));
  }
  return hash.digest("hex");
}
