import * as assert from "#assert";
import {
  DIRECTION,
  interfaceBlock,
  packetBytes,
  packetOptions,
  sectionBlock,
  statisticsBlock,
  writePacket,
} from "./blocks.ts";
import { BlockSplitter } from "./splitter.ts";

function stream(): Uint8Array {
  const options = packetOptions({ direction: DIRECTION.inbound, comments: ["a comment"] });
  const one = new Uint8Array(packetBytes(61, options));
  const frame = new Uint8Array(61).fill(7);
  writePacket(one, new DataView(one.buffer), 0, { interfaceId: 0, timeUs: 1, frame, from: 0, end: 61, options });
  const statistics = (interfaceId: number, dropped: number) =>
    statisticsBlock({ interfaceId, timeUs: 2, startUs: 1, received: 9, dropped, comments: ["with a comment"] });
  const made = [
    ...[
      sectionBlock("t"),
      interfaceBlock({ name: "a", description: "" }),
      interfaceBlock({ name: "b", description: "" }),
    ],
    ...[one, one, statistics(0, 3), statistics(1, 4)],
  ];
  return Uint8Array.from(made.flatMap((block) => [...block]));
}

Deno.test("pcapng: whole blocks come out of every split, and are counted", () => {
  const all = stream();
  for (let size = 1; size < 140; size++) {
    const splitter = new BlockSplitter();
    const out: number[] = [];
    for (let at = 0; at < all.length; at += size) {
      const blocks = splitter.push(all.slice(at, at + size));
      out.push(...blocks);
      assert.equal(blocks.length % 4, 0);
    }
    assert.deepEqual(Uint8Array.from(out), all, `in pieces of ${size}`);
    assert.deepEqual([splitter.packets, splitter.missing], [2, 7]);
  }
});

Deno.test("pcapng: a stream that breaks off has no part of its last block, and no statistics", () => {
  const all = stream();
  const splitter = new BlockSplitter();
  const whole = splitter.push(all.subarray(0, all.length - 200));
  assert.ok(whole.length > 0 && whole.length < all.length - 200);
  assert.equal(splitter.missing, undefined);
  assert.equal(new DataView(whole.buffer, whole.byteOffset).getUint32(whole.length - 4, true) % 4, 0);
});

Deno.test("pcapng: what is no block is refused, and not waited for", () => {
  for (const length of [0, 8, 13, 0xffffffff]) {
    const bytes = new Uint8Array(16);
    new DataView(bytes.buffer).setUint32(4, length, true);
    assert.throws(() => new BlockSplitter().push(bytes), /a block of \d+ bytes/, String(length));
  }
});
