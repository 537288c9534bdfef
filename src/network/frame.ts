/**
 * The stream format between a hypervisor and the switch: a 4-byte big-endian length, then the Ethernet frame.
 *
 * It is QEMU's `-netdev stream` (net/stream.c, net/net.c `net_fill_rstate`), without a vnet header. {@link FrameReader}
 * takes bytes as the socket gives them, split anywhere, and walks over whole frames in place: no copy, no object per
 * frame. A peer cannot make it use much memory: it has one buffer, which grows only while reads fill it, up to {@link
 * MAX_BUFFER}. A length beyond QEMU's maximum means that the stream is out of step, which cannot be repaired. Imports
 * nothing.
 */

/** Bytes in front of each frame. */
export const HEADER_BYTES = 4;
/** The shortest Ethernet frame: two addresses and a type. */
export const MIN_FRAME = 14;
/** `NET_BUFSIZE` in QEMU's net/net.h: 4096 + 65536. */
export const MAX_FRAME = 4096 + 65536;

const FIRST_BUFFER = 16 * 1024;
const MAX_BUFFER = 128 * 1024;

/** The result of {@link FrameReader.next}. */
export const FRAME = 1;
const NEED_MORE = 0;
export const GARBAGE = -1;

/** One frame with its header. For tests and rare senders: the switch forwards headers unchanged. */
export function encodeFrame(frame: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(HEADER_BYTES + frame.length);
  new DataView(bytes.buffer).setUint32(0, frame.length);
  bytes.set(frame, HEADER_BYTES);
  return bytes;
}

/**
 * The receiving side of one stream.
 *
 * Call order: 1. read into {@link room}; 2. {@link commit} what arrived; 3. {@link next} until it is not `FRAME`; again.
 * The bytes of a frame stay valid until the next call of `room`.
 */
export class FrameReader {
  /** The buffer in which {@link from} and {@link end} are offsets. */
  bytes = new Uint8Array(FIRST_BUFFER);
  /** Where the current frame's length field begins; the frame itself begins 4 bytes later. */
  from = 0;
  /** The first byte after the current frame. */
  end = 0;
  #filled = 0;
  #full = false;

  /** The buffer for the next read; never empty. Moves the rest of the last frame to the front. */
  room(): Uint8Array {
    const left = this.#filled - this.end;
    const wanted = left >= HEADER_BYTES ? HEADER_BYTES + this.#lengthAt(this.end) : 0;
    if (wanted > this.bytes.length || (this.#full && this.bytes.length < MAX_BUFFER)) {
      const larger = new Uint8Array(wanted > this.bytes.length ? MAX_BUFFER : this.bytes.length * 2);
      larger.set(this.bytes.subarray(this.end, this.#filled));
      this.bytes = larger;
    } else if (left > 0 && this.end > 0) {
      this.bytes.copyWithin(0, this.end, this.#filled);
    }
    this.from = this.end = 0;
    this.#filled = left;
    return this.bytes.subarray(left);
  }

  /** Tells how many bytes were read into the last {@link room}. */
  commit(count: number): void {
    this.#filled += count;
    this.#full = this.#filled === this.bytes.length;
  }

  /** Moves on to the next whole frame, if there is one. After `GARBAGE` the stream is lost. */
  next(): typeof FRAME | typeof NEED_MORE | typeof GARBAGE {
    const from = this.end;
    if (this.#filled - from < HEADER_BYTES) return NEED_MORE;
    const length = this.#lengthAt(from);
    if (length > MAX_FRAME) return GARBAGE;
    const end = from + HEADER_BYTES + length;
    if (end > this.#filled) return NEED_MORE;
    this.from = from;
    this.end = end;
    return FRAME;
  }

  /** Bytes of an incomplete frame. */
  get pending(): number {
    return this.#filled - this.end;
  }

  /** The next length in the stream; only meaningful when 4 bytes have arrived. */
  get announced(): number {
    return this.#lengthAt(this.end);
  }

  #lengthAt(at: number): number {
    const { bytes } = this;
    return ((bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]) >>> 0;
  }
}

/** The length of the frame whose length field is there. */
export function lengthAt(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
}

/** The number of whole frames, lengths in front, in `[from, end)`. */
export function countFrames(bytes: Uint8Array, from: number, end: number): number {
  let frames = 0;
  for (let at = from; at < end; frames++) {
    at += HEADER_BYTES + lengthAt(bytes, at);
  }
  return frames;
}
