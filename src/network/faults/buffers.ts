/**
 * Memory for frames that wait: buffers of few sizes, which are used again.
 *
 * A delayed link copies each of its frames, some hundred thousand a second; without this each of them would be an allocation
 * outside of the language's heap.
 */

import { MAX_FRAME } from "../frame.ts";

/** One for acknowledgements and the like, one for full frames, one for what segmentation is left to the receiver of. */
const SIZES = [128, 2048, MAX_FRAME + 4];
/** Buffers of each size that are kept while nobody needs them. */
const SPARE = [2048, 1024, 4];

export class FrameBuffers {
  readonly #spare: Uint8Array[][] = SIZES.map(() => []);

  /** A buffer with a copy of these bytes at its beginning. */
  copyOf(source: Uint8Array, from: number, end: number): Uint8Array {
    const length = end - from;
    const size = length <= SIZES[0] ? 0 : length <= SIZES[1] ? 1 : 2;
    const buffer = this.#spare[size].pop() ?? new Uint8Array(SIZES[size]);
    buffer.set(source.subarray(from, end));
    return buffer;
  }

  /** Takes back a buffer that nobody uses any more. */
  giveBack(buffer: Uint8Array): void {
    const size = SIZES.indexOf(buffer.length);
    if (this.#spare[size].length < SPARE[size]) this.#spare[size].push(buffer);
  }
}
