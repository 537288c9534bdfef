import * as assert from "#assert";
import { joined } from "../../core/bytes.ts";
import {
  DIRECTION,
  interfaceBlock,
  packetBytes,
  packetOptions,
  sectionBlock,
  writePacket,
} from "../../core/pcapng/blocks.ts";
import { readPcapng } from "../../../tests/support/pcapng.ts";
import { Appender } from "./append_file.ts";
import { PacketRing } from "./packet_ring.ts";

const MAC = { a: 0x0b, b: 0x0c };
const mac = (last: number) => Uint8Array.of(0x52, 0x54, 0, 0x58, 0, last);

const heads = () => [
  sectionBlock("test"),
  interfaceBlock({ name: "a", description: "a", mac: mac(MAC.a) }),
  interfaceBlock({ name: "b", description: "b", mac: mac(MAC.b) }),
];

function packet(from: "a" | "b", to: Uint8Array, length: number, comments: string[] = [], missed = 0): Uint8Array {
  const frame = new Uint8Array(length).fill(length);
  frame.set(to);
  frame.set(mac(MAC[from]), 6);
  const options = packetOptions({ direction: DIRECTION.outbound, comments, isDropped: comments.length > 0, missed });
  const block = new Uint8Array(packetBytes(length, options));
  const view = new DataView(block.buffer);
  const interfaceId = from === "a" ? 0 : 1;
  writePacket(block, view, 0, { interfaceId, timeUs: 1e15 + length, frame, from: 0, end: length, options });
  return block;
}

function withRing(
  work: (ring: PacketRing, read: () => ReturnType<typeof readPcapng>[], cuts: string[]) => void,
  limit?: number,
  named?: (text: string) => string,
): void {
  const directory = Deno.makeTempDirSync({ prefix: "fleetbox-test-" });
  const cuts: string[] = [];
  const read = () =>
    [...Deno.readDirSync(directory)].map(({ name }) => name).sort()
      .map((name) => readPcapng(Deno.readFileSync(`${directory}/${name}`), { isSnapped: true }));
  try {
    using files = new Appender(directory);
    work(new PacketRing(files, (file) => cuts.push(file), named, limit), read, cuts);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

Deno.test("frames are kept with their first bytes, their comments, and how long they were", () =>
  withRing((ring, read) => {
    ring.push(joined([...heads(), packet("a", mac(MAC.b), 100)]));
    ring.push(packet("b", mac(MAC.a), 1_400, ["dropped, to a: fault f1 (partition)"]));
    const [{ packets, interfaces }] = read();
    assert.deepEqual(interfaces.map(({ name }) => name), ["a", "b"]);
    assert.deepEqual(packets.map(({ on, data, comments, isDropped }) => [on, data.length, comments, isDropped]), [
      ["a", 100, [], false],
      ["b", 256, ["dropped, to a: fault f1 (partition)"], true],
    ]);
    assert.deepEqual(ring.takeLinks(), [
      { event: "link", from: "a", to: "b", frames: 1, bytes: 100 },
      { event: "link", from: "b", to: "a", frames: 1, bytes: 1_400, dropped: { partition: 1 } },
    ]);
    assert.deepEqual(ring.takeLinks(), []);
  }));

Deno.test("frames that were only counted are with the next one of their sender's", () =>
  withRing((ring) => {
    ring.push(joined([...heads(), packet("a", mac(MAC.b), 60), packet("a", mac(MAC.b), 60, [], 500)]));
    assert.deepEqual(ring.takeLinks(), [{ event: "link", from: "a", to: "b", frames: 2, bytes: 120, missed: 500 }]);
  }));

Deno.test("members are called as the trace calls them, in the interfaces too", () =>
  withRing(
    (ring, read) => {
      ring.push(joined([...heads(), packet("a", mac(MAC.b), 60)]));
      assert.deepEqual(read()[0].interfaces.map(({ name, mac }) => [name, mac]), [
        ["web", "52:54:00:58:00:0b"],
        ["b", "52:54:00:58:00:0c"],
      ]);
      assert.deepEqual(ring.takeLinks(), [{ event: "link", from: "web", to: "b", frames: 1, bytes: 60 }]);
    },
    undefined,
    (text) => text.replaceAll(/\ba\b/g, "web"),
  ));

Deno.test("what goes to all, and to what is no member, has a name as a link; each cause of a drop is counted", () =>
  withRing((ring) => {
    const [all, dns] = [new Uint8Array(6).fill(0xff), Uint8Array.of(0x52, 0x55, 10, 88, 0, 3)];
    ring.push(joined([
      ...heads(),
      packet("a", all, 60),
      packet("a", dns, 60, ["dropped: dns-rate (DNS: too many questions a second)"]),
      packet("a", dns, 60, ["dropped, over the limit, to b: fault f2 (shape)"]),
    ]));
    assert.deepEqual(ring.takeLinks().map((link) => JSON.stringify(link)), [
      '{"event":"link","from":"a","to":"*","frames":1,"bytes":60}',
      '{"event":"link","from":"a","to":"gateway","frames":2,"bytes":120,"dropped":{"dns-rate":1,"shape":1}}',
    ]);
  }));

Deno.test("segments are whole files each, the oldest go and that is told; another stream begins another segment", () =>
  withRing((ring, read, cuts) => {
    ring.push(joined(heads()));
    for (let sent = 0; sent < 200; sent++) ring.push(packet("a", mac(MAC.b), 200));
    const files = read();
    assert.ok(files.length <= 8 && cuts.length > 0, `${files.length} files, ${cuts.length} cut`);
    for (const { interfaces } of files) assert.deepEqual(interfaces.map(({ name }) => name), ["a", "b"]);
    ring.push(joined([sectionBlock("next"), interfaceBlock({ name: "b", description: "b", mac: mac(MAC.b) })]));
    assert.deepEqual(read().at(-1)!.interfaces.map(({ name }) => name), ["b"]);
  }, 16_000));
