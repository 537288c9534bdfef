/** The options behind a block's body, read: a code, a length, the value and its padding, again and again. Pure. */

/** Bodies and values of options are padded to 32 bits. */
export function padded(length: number): number {
  return (length + 3) & ~3;
}

/** The options of a whole block from an offset on, up to the one that ends them. */
export function* optionsIn(block: Uint8Array, from: number): Generator<[code: number, value: Uint8Array]> {
  const view = new DataView(block.buffer, block.byteOffset, block.length);
  for (let at = from; at + 4 <= block.length - 4;) {
    const [code, length] = [view.getUint16(at, true), view.getUint16(at + 2, true)];
    if (code === 0) return;
    yield [code, block.subarray(at + 4, at + 4 + length)];
    at += 4 + padded(length);
  }
}
