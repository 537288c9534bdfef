/**
 * Writes a large file in pieces, with holes instead of zeros: a disk image of 3 GB often has 1 GB of content. Appends
 * to an existing file.
 */

/** The smallest hole: a block of the usual file systems. */
const BLOCK = 4096;

export class SparseWriter {
  #length: number;

  private constructor(private readonly file: Deno.FsFile, length: number) {
    this.#length = length;
  }

  /** A new file; an existing one is emptied. */
  static async create(path: string): Promise<SparseWriter> {
    return new SparseWriter(await Deno.open(path, { create: true, write: true, truncate: true, mode: 0o600 }), 0);
  }

  /** Continues at the end of a file. */
  static async append(path: string): Promise<SparseWriter> {
    const file = await Deno.open(path, { create: true, write: true, mode: 0o600 });
    return new SparseWriter(file, await file.seek(0, Deno.SeekMode.End));
  }

  get length(): number {
    return this.#length;
  }

  async write(piece: Uint8Array): Promise<void> {
    let dataFrom = 0;
    // Whole blocks of the file, at any place in the piece.
    let at = (BLOCK - (this.#length % BLOCK)) % BLOCK;
    while (at + BLOCK <= piece.length) {
      const holeFrom = at;
      while (at + BLOCK <= piece.length && isZero(piece.subarray(at, at + BLOCK))) at += BLOCK;
      if (at > holeFrom) {
        await this.#data(piece.subarray(dataFrom, holeFrom));
        await this.#hole(at - holeFrom);
        dataFrom = at;
      } else at += BLOCK;
    }
    await this.#data(piece.subarray(dataFrom));
  }

  async #data(piece: Uint8Array): Promise<void> {
    for (let at = 0; at < piece.length;) at += await this.file.write(piece.subarray(at));
    this.#length += piece.length;
  }

  async #hole(bytes: number): Promise<void> {
    this.#length += bytes;
    await this.file.truncate(this.#length);
    await this.file.seek(this.#length, Deno.SeekMode.Start);
  }

  /** Syncs it to the disk. */
  async finish(): Promise<void> {
    await this.file.syncData();
  }

  close(): void {
    this.file.close();
  }
}

function isZero(block: Uint8Array): boolean {
  if (block[0] !== 0 || block[block.length - 1] !== 0) return false; // decides most blocks at once
  const head = (8 - (block.byteOffset % 8)) % 8;
  const words = new BigUint64Array(block.buffer, block.byteOffset + head, (block.length - head) >> 3);
  for (let at = 0; at < words.length; at++) if (words[at] !== 0n) return false;
  const rest = head + words.length * 8;
  return block.subarray(0, head).every(isNothing) && block.subarray(rest).every(isNothing);
}

function isNothing(byte: number): boolean {
  return byte === 0;
}
