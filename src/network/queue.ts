/**
 * The queue of one port: two buffers, one filling while the other is being written to the socket.
 *
 * Bounded: when the filling buffer is full, whole frames are refused, and the caller counts them. Nothing here waits,
 * so a port that does not read costs its own two buffers and no time. Buffers begin small and double when needed,
 * because most ports never see bulk traffic. Frames go in with their length in front, exactly as they came, so a run of
 * frames for the same port is one copy.
 */

import { HEADER_BYTES } from "./frame.ts";

const FIRST_BUFFER = 16 * 1024;
/** The bound on one of the two buffers. */
export const QUEUE_BYTES = 256 * 1024;

export class FrameQueue {
  #filling = new Uint8Array(FIRST_BUFFER);
  #leaving = new Uint8Array(0);
  #filled = 0;

  get isEmpty(): boolean {
    return this.#filled === 0;
  }

  /** The memory of both buffers, in bytes. */
  get capacity(): number {
    return this.#filling.length + this.#leaving.length;
  }

  /** Whether so many bytes are taken now. */
  hasRoom(bytes: number): boolean {
    return this.#filled + bytes <= QUEUE_BYTES;
  }

  /** Takes whole frames with their lengths, `source[from, to)`; returns the offset up to which there was room. */
  append(source: Uint8Array, from: number, to: number): number {
    const room = this.#makeRoom(to - from);
    const until = to - from <= room ? to : lastFrameEnd(source, from, to, room);
    if (until > from) {
      this.#filling.set(source.subarray(from, until), this.#filled);
      this.#filled += until - from;
    }
    return until;
  }

  /** The queued bytes, to be written now; valid until the next call. */
  take(): Uint8Array {
    const full = this.#filling;
    const taken = full.subarray(0, this.#filled);
    this.#filling = this.#leaving.length > 0 ? this.#leaving : new Uint8Array(FIRST_BUFFER);
    this.#leaving = full;
    this.#filled = 0;
    return taken;
  }

  #makeRoom(wanted: number): number {
    const needed = this.#filled + wanted;
    let capacity = this.#filling.length;
    if (needed > capacity && capacity < QUEUE_BYTES) {
      while (capacity < needed && capacity < QUEUE_BYTES) capacity *= 2;
      const larger = new Uint8Array(capacity);
      larger.set(this.#filling.subarray(0, this.#filled));
      this.#filling = larger;
    }
    return capacity - this.#filled;
  }
}

/** The end of the last whole frame that fits into `room` bytes; `from` when none does. */
function lastFrameEnd(source: Uint8Array, from: number, to: number, room: number): number {
  let end = from;
  while (end < to) {
    const length = (source[end] << 24) | (source[end + 1] << 16) | (source[end + 2] << 8) | source[end + 3];
    if (end + HEADER_BYTES + length - from > room) break;
    end += HEADER_BYTES + length;
  }
  return end;
}
