import * as assert from "#assert";
import fc from "fast-check";
import { encodeFrame, FRAME, FrameReader, GARBAGE, HEADER_BYTES, MAX_FRAME } from "./frame.ts";

/** Feeds bytes in pieces of the given sizes (repeated), and gives the frames that come out. */
function readAll(
  bytes: Uint8Array,
  sizes: number[],
): { frames: Uint8Array[]; reader: FrameReader; isGarbage: boolean } {
  const reader = new FrameReader();
  const frames: Uint8Array[] = [];
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const room = reader.room();
    assert.ok(room.length > 0, "a read of no bytes would look like the end");
    const piece = bytes.subarray(at, at + Math.min(sizes[turn % sizes.length], room.length));
    room.set(piece);
    reader.commit(piece.length);
    at += piece.length;
    for (;;) {
      const found = reader.next();
      if (found === GARBAGE) return { frames, reader, isGarbage: true };
      if (found !== FRAME) break;
      frames.push(reader.bytes.slice(reader.from + HEADER_BYTES, reader.end));
    }
  }
  return { frames, reader, isGarbage: false };
}

function concat(parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

Deno.test("frames split at every byte come out whole", () => {
  const sent = [1, 2, 3].map((fill) => new Uint8Array(20 + fill).fill(fill));
  const stream = concat(sent.map(encodeFrame));
  for (let split = 1; split < stream.length; split++) {
    const { frames } = readAll(stream, [split, stream.length]);
    assert.deepEqual(frames, sent, `split after ${split} bytes`);
  }
  assert.deepEqual(readAll(stream, [1]).frames, sent);
});

Deno.test("lengths 0, 1, 13, 65536 and QEMU's largest come out; one more is garbage", () => {
  for (const length of [0, 1, 13, 14, 65535, 65536, MAX_FRAME]) {
    const stream = concat([encodeFrame(new Uint8Array(length).fill(7)), encodeFrame(new Uint8Array(14))]);
    for (const size of [1000, 1 << 20]) {
      const { frames, isGarbage } = readAll(stream, [size]);
      assert.deepEqual(frames.map((frame) => frame.length), [length, 14]);
      assert.equal(isGarbage, false);
    }
  }
  for (const announced of [MAX_FRAME + 1, 0x7fffffff, 0x80000000, 0xffffffff]) {
    const head = new Uint8Array(4);
    new DataView(head.buffer).setUint32(0, announced);
    const { reader, isGarbage } = readAll(head, [1]);
    assert.ok(isGarbage);
    assert.equal(reader.announced, announced);
  }
});

Deno.test("any frames in any pieces come out as they went in, in one bounded buffer", () => {
  const frame = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.integer({ min: 0, max: 20000 }).map((n) => new Uint8Array(n)),
  );
  fc.assert(
    fc.property(
      fc.array(frame, { maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 40000 }), { minLength: 1, maxLength: 5 }),
      (sent, sizes) => {
        // Pieces of a byte or two each make a long run: keep the work bounded, not the variety.
        const total = sent.reduce((sum, each) => sum + each.length, 0);
        const { frames, reader } = readAll(concat(sent.map(encodeFrame)), total > 2000 ? [...sizes, 5000] : sizes);
        assert.deepEqual(frames, sent);
        assert.ok(reader.bytes.length <= 128 * 1024);
        assert.equal(reader.pending, 0);
      },
    ),
    { numRuns: 300 },
  );
});

Deno.test("random bytes are frames or garbage, and never more memory", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.integer({ min: 1, max: 64 }), (bytes, size) => {
      const { reader } = readAll(bytes, [size]);
      assert.ok(reader.bytes.length <= 128 * 1024);
    }),
    { numRuns: 5000 },
  );
});
