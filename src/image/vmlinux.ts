/**
 * Extracts the kernel from a bzImage.
 *
 * QEMU starts an ELF image by its PVH entry. Started from a `vmlinuz`, the guest has to unpack itself first, which takes
 * more than half a second under emulation. Pure: bytes in, bytes out.
 *
 * The header's fields are of Documentation/arch/x86/boot.rst: setup_sects at 0x1f1, payload_offset at 0x248 and
 * payload_length at 0x24c; the offset counts from the protected-mode code, which begins after the setup sectors.
 */

import { joined } from "../core/bytes.ts";

const ELF = 0x7f454c46;
/** The legacy frame of `lz4 -l`, which the kernel's build uses (lz4's doc/lz4_Frame_format.md, "Legacy frame"). */
const LZ4_LEGACY = 0x184c2102;
const LZ4_BLOCK = 8 * 1024 * 1024;

/** The ELF image inside a `vmlinuz`; undefined when its compression is unknown: then it is used as it is. */
export function unpackKernel(vmlinuz: Uint8Array): Uint8Array | undefined {
  const view = new DataView(vmlinuz.buffer, vmlinuz.byteOffset, vmlinuz.byteLength);
  if (vmlinuz.length < 0x250 || view.getUint16(0x1fe, true) !== 0xaa55 || view.getUint32(0x202) !== 0x48647253) {
    return undefined;
  }
  const start = ((vmlinuz[0x1f1] || 4) + 1) * 512 + view.getUint32(0x248, true);
  // The last four bytes are the size when unpacked, appended by the kernel's build.
  const payload = vmlinuz.subarray(start, start + view.getUint32(0x24c, true) - 4);
  if (payload.length < 8 || view.getUint32(start, true) !== LZ4_LEGACY) return undefined;
  const unpacked = unpackLz4(payload.subarray(4));
  return unpacked && new DataView(unpacked.buffer).getUint32(0) === ELF ? unpacked : undefined;
}

/** The blocks of a legacy frame: each its length (4 bytes, little-endian) and what it packs, at most 8 MiB unpacked. */
function unpackLz4(frame: Uint8Array): Uint8Array | undefined {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const blocks: Uint8Array[] = [];
  const space = new Uint8Array(LZ4_BLOCK);
  for (let at = 0; at + 4 <= frame.length;) {
    const length = view.getUint32(at, true);
    at += 4;
    if (at + length > frame.length) return undefined;
    const size = unpackLz4Block(frame.subarray(at, at + length), space);
    if (size === undefined) return undefined;
    blocks.push(space.slice(0, size));
    at += length;
  }
  const all = joined(blocks);
  return all.length >= 4 ? all : undefined;
}

/**
 * One LZ4 block (lz4's doc/lz4_Block_format.md): sequences of a token, literals, and a match as an offset (2 bytes) back
 * and a length of at least 4; the last sequence has no match.
 * @returns how many bytes were written, or undefined when it is damaged.
 */
export function unpackLz4Block(block: Uint8Array, into: Uint8Array): number | undefined {
  let at = 0, end = 0;
  const more = (start: number) => {
    let length = start;
    if (start === 15) {
      for (let byte = 255; byte === 255 && at < block.length; length += byte) byte = block[at++];
    }
    return length;
  };
  while (at < block.length) {
    const token = block[at++];
    const literals = more(token >> 4);
    if (at + literals > block.length || end + literals > into.length) return undefined;
    into.set(block.subarray(at, at + literals), end);
    at += literals;
    end += literals;
    if (at === block.length) return end;
    const offset = block[at] | (block[at + 1] << 8);
    at += 2;
    const length = more(token & 15) + 4;
    if (offset === 0 || offset > end || end + length > into.length) return undefined;
    if (offset >= length) {
      into.copyWithin(end, end - offset, end - offset + length);
      end += length;
    } else {
      for (const last = end + length; end < last; end++) into[end] = into[end - offset];
    }
  }
  return end;
}
