import * as assert from "#assert";
import { readPcapng } from "../../../tests/support/pcapng.ts";
import {
  DIRECTION,
  type Direction,
  interfaceBlock,
  namesBlock,
  packetBytes,
  packetOptions,
  sectionBlock,
  statisticsBlock,
  writePacket,
} from "./blocks.ts";

const TIME_US = 1_764_000_000_123_456;

function packet(length: number, about: Parameters<typeof packetOptions>[0], interfaceId = 0): Uint8Array {
  const options = packetOptions(about);
  const bytes = new Uint8Array(packetBytes(length, options)).fill(0xee); // what was there before must not show
  const frame = Uint8Array.from({ length: length + 2 }, (_, index) => index);
  const at = { interfaceId, timeUs: TIME_US, frame, from: 1, end: length + 1, options };
  writePacket(bytes, new DataView(bytes.buffer), 0, at);
  return bytes;
}

const file = (...blocks: Uint8Array[]) => readPcapng(Uint8Array.from(blocks.flatMap((block) => [...block])));

Deno.test("pcapng: a section is these bytes, as the draft has them", () => {
  const bytes = [...sectionBlock("abc")];
  assert.deepEqual(bytes, [
    ...[0x0a, 0x0d, 0x0d, 0x0a, 40, 0, 0, 0],
    ...[0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0],
    ...Array(8).fill(0xff),
    ...[4, 0, 3, 0, 0x61, 0x62, 0x63, 0],
    ...[0, 0, 0, 0],
    ...[40, 0, 0, 0],
  ]);
});

Deno.test("pcapng: a packet of each length and option is padded, and has its length at both ends", () => {
  for (const direction of Object.values(DIRECTION) as Direction[]) {
    for (let length = 14; length < 19; length++) {
      for (const comments of [[], ["a"], ["five!", "and ünicode"]]) {
        const about = { direction, comments, isDropped: length % 2 === 0, missed: length - 14 };
        const { packets } = file(
          sectionBlock("t"),
          interfaceBlock({ name: "a", description: "" }),
          packet(length, about),
        );
        assert.deepEqual(packets, [{
          on: "a",
          direction: direction === DIRECTION.inbound ? "in" : "out",
          comments,
          isDropped: about.isDropped,
          missed: about.missed,
          timeUs: TIME_US,
          data: Uint8Array.from({ length }, (_, index) => index + 1),
        }]);
      }
    }
  }
});

Deno.test("pcapng: interfaces, names and statistics", () => {
  const { interfaces, names, application } = file(
    sectionBlock("fleetbox 1"),
    interfaceBlock({ name: "a", description: "the first", mac: Uint8Array.of(0x52, 0x54, 0, 0, 0, 0x0a) }),
    namesBlock([
      { address: Uint8Array.of(10, 88, 0, 11), names: ["a", "db"] },
      { address: Uint8Array.of(10, 88, 0, 1), names: ["gateway"] },
    ]),
    interfaceBlock({ name: "bb", description: "" }),
    statisticsBlock({ interfaceId: 1, timeUs: TIME_US, startUs: 0, received: 2 ** 40, dropped: 3, comments: ["end"] }),
  );
  assert.equal(application, "fleetbox 1");
  assert.deepEqual(names, { "10.88.0.11": ["a", "db"], "10.88.0.1": ["gateway"] });
  assert.deepEqual(interfaces, [
    { name: "a", description: "the first", mac: "52:54:00:00:00:0a", comments: [] },
    { name: "bb", description: "", mac: "", comments: ["end"], received: 2 ** 40, dropped: 3 },
  ]);
});

Deno.test("pcapng: a comment that is too long is cut, and the block is whole", () => {
  const [{ comments }] = file(
    sectionBlock("t"),
    interfaceBlock({ name: "a", description: "" }),
    packet(14, { direction: DIRECTION.inbound, comments: ["x".repeat(100_000)] }),
  ).packets;
  assert.ok(comments[0].length < 65_536 && comments[0].length > 60_000);
});
