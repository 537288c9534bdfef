import * as assert from "#assert";
import { unpackKernel, unpackLz4Block } from "./vmlinux.ts";

const text = (from: string) => new TextEncoder().encode(from);

Deno.test("an LZ4 block is unpacked: literals, matches, matches that overlap themselves", () => {
  const into = new Uint8Array(64);
  // "ab", then 8 bytes from 2 back, then "!" as the last literals.
  const block = new Uint8Array([0x24, ...text("ab"), 2, 0, 0x10, ...text("!")]);
  assert.equal(unpackLz4Block(block, into), 11);
  assert.equal(new TextDecoder().decode(into.subarray(0, 11)), "ababababab!");
});

Deno.test("a damaged LZ4 block is an error", () => {
  for (
    const block of [
      [0x24, 97], // fewer literals than it says
      [0x24, 97, 98, 9, 0, 0x00], // a match before the beginning
      [0x24, 97, 98, 0, 0, 0x00], // a match with itself
      [0xf0, 255, 255, 255], // more literals than there is room for
    ]
  ) assert.equal(unpackLz4Block(new Uint8Array(block), new Uint8Array(16)), undefined);
});

/** A bzImage of one setup sector, with this payload. */
function bzImage(payload: Uint8Array): Uint8Array {
  const image = new Uint8Array(1024 + 16 + payload.length + 4);
  const view = new DataView(image.buffer);
  image[0x1f1] = 1;
  view.setUint16(0x1fe, 0xaa55, true);
  image.set(text("HdrS"), 0x202);
  view.setUint32(0x248, 16, true);
  view.setUint32(0x24c, payload.length + 4, true);
  image.set(payload, 1024 + 16);
  return image;
}

Deno.test("a kernel is extracted from a vmlinuz that is packed with LZ4; anything else is left alone", () => {
  const block = new Uint8Array([0x80, 0x7f, ...text("ELF1234")]);
  const frame = new Uint8Array([0x02, 0x21, 0x4c, 0x18, block.length, 0, 0, 0, ...block]);
  assert.deepEqual(unpackKernel(bzImage(frame)), new Uint8Array([0x7f, ...text("ELF1234")]));
  assert.equal(unpackKernel(bzImage(text("\x28zstd or so"))), undefined);
  assert.equal(unpackKernel(text("an arm64 Image".padEnd(2048))), undefined);
  assert.equal(unpackKernel(new Uint8Array(10)), undefined);
});
