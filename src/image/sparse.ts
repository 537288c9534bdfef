/**
 * Writes a large file in pieces, and leaves holes where there would be nothing but zeros: a disk image of 3 GB has often
 * one of content. Appends when the file is there already.
 */

/** The smallest hole: a block of the usual file systems. */
const BLOCK = 4096;

export class SparseWriter {
  #length: number;

  private constructor(private readonly file: Deno.FsFile, length: number) {
    this.#length = length;
  }

  /** A new file; one that is there is emptied. */
  static async create(path: string): Promise<SparseWriter> {
    return new SparseWriter(await Deno.open(path, { create: true, write: true, truncate: true, mode: 0o600 }), 0);
  }

  /** Goes on at the end of a file. */
  static async append(path: string): Promise<SparseWriter> {
    const file = await Deno.open(path, { create: true, write: true, mode: 0o600 });
    return new SparseWriter(file, await file.seek(0, Deno.SeekMode.End));
  }

  get length(): number {
    return this.#length;
  }

  async write(piece: Uint8Array): Promise<void> {
    if (piece.length >= BLOCK && isZero(piece)) {
      this.#length += piece.length;
      await this.file.truncate(this.#length);
      await this.file.seek(this.#length, Deno.SeekMode.Start);
      return;
    }
    for (let at = 0; at < piece.length;) at += await this.file.write(piece.subarray(at));
    this.#length += piece.length;
  }

  /** Brings it to the disk. */
  async finish(): Promise<void> {
    await this.file.syncData();
  }

  close(): void {
    this.file.close();
  }
}

function isZero(piece: Uint8Array): boolean {
  if (piece[0] !== 0 || piece[piece.length - 1] !== 0) return false;
  const words = Math.floor(piece.length / 8);
  if (piece.byteOffset % 8 === 0) {
    const view = new BigUint64Array(piece.buffer, piece.byteOffset, words);
    for (let at = 0; at < words; at++) if (view[at] !== 0n) return false;
    return piece.subarray(words * 8).every((byte) => byte === 0);
  }
  return piece.every((byte) => byte === 0);
}
