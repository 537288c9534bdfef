/** A switch that is captured: what is recorded of the frames of guests at real connections. */

import * as assert from "#assert";
import { type CaptureFile, readPcapng } from "../../../tests/support/pcapng.ts";
import { encodeFrame } from "../frame.ts";
import { GATEWAY_PORT } from "../switch.ts";
import { data, ethernet, type Guest, IPS, ipv4, MACS, mark, type Name, Network, udp } from "../testing.ts";
import { Capture } from "./capture.ts";
import { Tap } from "./tap.ts";

const NAMES = ["a", "b", "c", GATEWAY_PORT];

/** A capture of a network, with what it has recorded so far. */
class Captured {
  readonly capture: Capture;
  readonly #bytes: number[] = [];
  told = 0;

  constructor(
    tap: Tap,
    wanted: readonly string[] = NAMES,
    private readonly less: { snap?: number; rate?: number } = {},
  ) {
    this.capture = new Capture({
      application: "test",
      ...less,
      isWanted: (name) => wanted.includes(name),
      describe: (name) => ({
        name: name === GATEWAY_PORT ? "gateway" : name,
        description: `of ${name}`,
        addresses: [],
      }),
      kindOf: (id) => id === "f1" ? "kind1" : undefined,
      onData: () => this.told++,
    }, 1);
    this.capture.declare(wanted);
    tap.add(this.capture);
  }

  file(): CaptureFile {
    for (const byte of this.capture.take()) this.#bytes.push(byte);
    const isSnapped = this.less.snap !== undefined;
    return readPcapng(Uint8Array.from([...this.#bytes, ...this.capture.statistics(2)]), { isSnapped });
  }

  /** `a out 1`, by the frames' marks; what was dropped ends with `!`, and comments follow. */
  lines(): string[] {
    return this.file().packets.map(({ on, direction, data, isDropped, comments }) =>
      [on, direction, `${mark(data)}${isDropped ? "!" : ""}`, ...comments].join(" ")
    );
  }
}

function tapOf(network: Network): Tap {
  let tap: Tap;
  network.switch.useTap((nameOf) => tap = new Tap(nameOf));
  return tap!;
}

/** Waits until the switch has processed what a guest has sent, by a frame of that guest's. */
async function settled(from: Guest, name: Name, to: Guest, toName: Name): Promise<void> {
  await from.send(data(toName, name, 0xaa));
  while (mark(await to.receive()) !== 0xaa);
}

const without = (lines: string[]) => lines.filter((line) => !/^\w+ \w+ 170\b/.test(line));

Deno.test("with a snap length the beginning of a frame is kept, and its length is told", async () => {
  await using network = new Network();
  const [a, b] = [await network.plug("a"), await network.plug("b")];
  const tap = tapOf(network);
  const [whole, short] = [new Captured(tap), new Captured(tap, NAMES, { snap: 20 })];
  await a.send(data("b", "a", 1), data("b", "a", 2)); // a run
  await b.send(data("a", "b", 3));
  await settled(a, "a", b, "b");
  await settled(b, "b", a, "a");
  const all = whole.file().packets;
  assert.ok(all.length >= 3 && all.every(({ data }) => data.length > 20), "or nothing is cut");
  assert.deepEqual(short.file().packets.map(({ data }) => data), all.map(({ data }) => data.slice(0, 20)));
});

Deno.test("of more frames a second than are wanted most are only counted; who gets them is as before", async () => {
  await using network = new Network();
  const [a, b] = [await network.plug("a"), await network.plug("b")];
  const few = new Captured(tapOf(network), NAMES, { rate: 1 });
  const got: (number | undefined)[] = [];
  for (let sent = 1; sent <= 40; sent++) {
    await a.send(data("b", "a", sent));
    got.push(mark(await b.receive()));
  }
  assert.deepEqual(got, Array.from({ length: 40 }, (_, index) => index + 1));
  const { packets, interfaces } = few.file();
  const [{ received, dropped }] = interfaces;
  assert.deepEqual([received, packets[0].on, mark(packets[0].data)], [40, "a", 1]);
  assert.equal(dropped, 40 - packets.length);
  assert.ok(packets.length < 10, `${packets.length} are recorded`);
});

Deno.test("a frame is recorded once: on its sender's interface, else on that of each receiver that is captured", async () => {
  await using network = new Network();
  const [a, b, c] = [await network.plug("a"), await network.plug("b"), await network.plug("c")];
  const tap = tapOf(network);
  const [all, ofB] = [new Captured(tap), new Captured(tap, ["b"])];
  await a.send(data("b", "a", 1), data("c", "a", 2), data("all", "a", 3));
  await settled(a, "a", c, "c");
  await b.send(data("a", "b", 4));
  await settled(b, "b", c, "c");
  assert.deepEqual(without(all.lines()), ["a out 1", "a out 2", "a out 3", "b out 4"]);
  assert.deepEqual(without(ofB.lines()), ["b in 1", "b in 3", "b out 4"]);
  const { interfaces, packets } = all.file();
  assert.deepEqual(interfaces.map(({ name, received, dropped }) => [name, received, dropped]).slice(0, 2), [
    ["a", 4, 0],
    ["b", 2, 0],
  ]);
  assert.ok(packets.every(({ timeUs }) => Math.abs(timeUs / 1000 - Date.now()) < 60_000), "the host's clock");
  assert.deepEqual(packets[0].data, data("b", "a", 1), "all of it");
  assert.deepEqual([tap.remove(all.capture), tap.remove(ofB.capture)], [1, 0]);
});

Deno.test("frames that the guard drops are recorded with their cause, and so are those that reach some only", async () => {
  await using network = new Network();
  const [a, b] = [await network.plug("a", { egress: false, hostAccess: false }), await network.plug("b")];
  const tap = tapOf(network);
  const [all, ofB] = [new Captured(tap), new Captured(tap, ["b"])];
  const outside = (to: string) => ethernet(to, MACS.a, 0x0800, ipv4({ to: "192.0.2.1" }, udp(1, 2, Uint8Array.of(7))));
  await a.send(data("b", "c", 1), outside(MACS.gateway), outside(MACS.all));
  await a.send(ethernet(MACS.b, MACS.a, 0x0800, ipv4({ from: IPS.b }, udp(1, 2, Uint8Array.of(8)))));
  await settled(a, "a", b, "b");
  const lines = without(all.lines());
  assert.equal(lines.length, 4, lines.join("\n"));
  assert.match(lines[0], /^a out 1$/, "c is not there: its MAC is nobody's yet");
  assert.match(lines[1], /^a out 7! dropped: egress-off \(guard: the member has no egress\)$/);
  assert.match(lines[2], /^a out 7 dropped: egress-off \(.*\)$/, "b got it");
  assert.match(lines[3], /^a out 8! dropped: spoofed-ip \(guard: .*\)$/);
  assert.deepEqual(without(ofB.lines()), ["b in 1", "b in 7"]);
});

Deno.test("what faults do to a frame is told with the fault's name and kind, for each receiver", async () => {
  await using network = new Network();
  const [a, b, c] = [await network.plug("a"), await network.plug("b"), await network.plug("c")];
  const tap = tapOf(network);
  const [all, ofB] = [new Captured(tap), new Captured(tap, ["b"])];
  const { switch: it } = network;
  const sends = async (value: number) => {
    await a.send(data("b", "a", value));
    await settled(a, "a", c, "c");
  };
  it.setConditions("a", "b", { cuts: ["f1", "f2"] });
  await sends(1);
  await a.send(data("all", "a", 2));
  await settled(a, "a", c, "c");
  it.setConditions("a", "b", { shapes: [{ id: "f1", seed: 1, shape: { loss: 1 } }] });
  await sends(3);
  it.setConditions("a", "b", { shapes: [{ id: "f4", seed: 1, shape: { corrupt: 1 } }] });
  await sends(4);
  it.setConditions("a", "b", { shapes: [{ id: "f5", seed: 1, shape: { delayMs: 3_600_000, limit: 1 } }] });
  await sends(5);
  await sends(6);
  it.setConditions("a", "b", { holds: ["f1"] });
  await sends(7);
  const [cut, held] = ["dropped, to b: fault f1 (kind1), f2", "held, to b: fault f1 (kind1)"];
  assert.deepEqual(without(all.lines()), [
    `a out 1! ${cut}`,
    `a out 2 ${cut}`,
    "a out 3! dropped, to b: fault f1 (kind1)",
    "a out 4 corrupted, to b: fault f4",
    "a out 5 delayed, to b: fault f5",
    "a out 6! dropped, over the limit, to b: fault f5",
    `a out 7 ${held}`,
  ]);
  it.setConditions("a", "b", undefined); // what was held is delivered
  await settled(b, "b", c, "c");
  const [first, second, third, fourth, ...rest] = without(ofB.lines());
  assert.deepEqual([first, second, third], [
    `b in 1! ${cut}`,
    `b in 2! ${cut}`,
    "b in 3! dropped, to b: fault f1 (kind1)",
  ]);
  assert.match(fourth, /^b in \d+$/, "a bit of it is another");
  assert.deepEqual(rest, ["b in 6! dropped, over the limit, to b: fault f5", "b in 7"]);
  assert.equal(all.lines().filter((line) => line.startsWith("a out 7")).length, 1, "once");
  network.switch.removePort("b");
});

Deno.test("a frame that is dropped after it has waited is recorded once more, with the cause", async () => {
  await using network = new Network();
  const [a, , c] = [await network.plug("a"), await network.plug("b"), await network.plug("c")];
  const captured = new Captured(tapOf(network));
  network.switch.setConditions("a", "b", { holds: ["f1"] });
  await a.send(data("b", "a", 1));
  await settled(a, "a", c, "c");
  network.switch.setConditions("a", "b", { cuts: ["f2"] });
  const [first, second] = without(captured.lines());
  assert.equal(first, "a out 1 held, to b: fault f1 (kind1)");
  assert.equal(second, "a out 1! dropped after it waited, to b: fault f2");
});

Deno.test("a receiver that does not read is told as the cause, and a question of DNS is before its answer", async () => {
  await using network = new Network({ dns: { respond: () => Uint8Array.of(5) } });
  const [a, b, c] = [await network.plug("a"), await network.plug("b"), await network.plug("c")];
  const captured = new Captured(tapOf(network));
  const question = ethernet(MACS.dns, MACS.a, 0x0800, ipv4({ to: "10.88.0.3" }, udp(9, 53, Uint8Array.of(3))));
  await a.send(question);
  assert.equal(mark(await a.receive()), 5);
  assert.deepEqual(captured.lines(), ["a out 3", "gateway out 5"]);
  for (let sent = 0; sent < 40; sent++) await a.send(data("b", "a", 1, 60_000));
  await settled(a, "a", c, "c");
  const lines = captured.lines();
  assert.ok(lines.includes("a out 1"));
  assert.ok(lines.includes("a out 1! dropped, to b: queue-full (the receiver does not read, and its queue is full)"));
  b.conn.close();
});

Deno.test("frames that are read at once are in their order, also around one that is dropped, and those for which there is no room", async () => {
  await using network = new Network();
  const [a, b, c] = [await network.plug("a"), await network.plug("b"), await network.plug("c")];
  const tap = tapOf(network);
  const [all, ofB] = [new Captured(tap), new Captured(tap, ["b"])];
  const spoofed = ethernet(MACS.b, MACS.a, 0x0800, ipv4({ from: IPS.b }, udp(1, 2, Uint8Array.of(3))));
  const frames = [
    data("b", "a", 1),
    data("b", "a", 2),
    spoofed,
    data("b", "a", 4),
    data("c", "a", 5),
    data("b", "a", 6),
  ];
  await a.send(...frames);
  await settled(a, "a", c, "c");
  assert.deepEqual(without(all.lines()).map((line) => line.slice(0, 8).trim()), [
    ...["a out 1", "a out 2", "a out 3!", "a out 4", "a out 5", "a out 6"],
  ]);
  assert.deepEqual(without(ofB.lines()), ["b in 1", "b in 2", "b in 4", "b in 6"]);
  for (let sent = 0; sent < 400; sent++) await a.send(...Array(8).fill(data("b", "a", 7, 500)));
  await settled(a, "a", c, "c");
  const { txFrames, dropped } = network.switch.counters().get("b")!;
  const its = ofB.lines().filter((line) => line.startsWith("b in"));
  const full = dropped["queue-full"] ?? 0;
  assert.ok(full > 0);
  assert.equal(its.filter((line) => /!/.test(line)).length, full);
  assert.equal(its.length, txFrames + full);
  b.conn.close();
});

Deno.test("a reader that is too slow loses frames: they are counted, told, and the rest is whole", async () => {
  await using network = new Network();
  const [a, b] = [await network.plug("a"), await network.plug("b")];
  const captured = new Captured(tapOf(network), ["a"]);
  const told = captured.told;
  let arrived = 0;
  const frame = encodeFrame(data("b", "a", 1, 60_000));
  for (; arrived < 200; arrived++) {
    await a.sendRaw(frame);
    await b.receive();
  }
  assert.equal(captured.told, told, "told once that there is something");
  const before = captured.file();
  const [{ received, dropped }] = before.interfaces;
  assert.equal(received, 200);
  assert.ok(dropped! > 0 && dropped === 200 - before.packets.length, `${dropped} of 200`);
  captured.capture.note("a note");
  await settled(a, "a", b, "b");
  assert.deepEqual(captured.file().packets.slice(-1).map(({ missed, comments }) => [missed, comments]), [[
    dropped,
    ["a note"],
  ]]);
  captured.capture.note("at the end");
  assert.deepEqual(captured.file().interfaces[0].comments, ["at the end"]);
});

Deno.test("what the guests get, and the counters, are the same with and without a capture", async () => {
  const seen = async (isCaptured: boolean) => {
    await using network = new Network();
    const [a, b, c] = [await network.plug("a"), await network.plug("b"), await network.plug("c")];
    if (isCaptured) new Captured(tapOf(network), ["a"]);
    const frames = Array.from(
      { length: 60 },
      (_, index) => data(index % 3 ? "b" : index % 2 ? "c" : "all", "a", index),
    );
    await a.sendRaw(Uint8Array.from(frames.flatMap((frame) => [...encodeFrame(frame)])));
    const marks: (number | undefined)[] = [];
    for (let left = 50; left > 0; left--) marks.push(mark(await b.receive()));
    for (let left = 20; left > 0; left--) marks.push(mark(await c.receive()));
    return [marks, ...(["a", "b", "c"] as const).map((name) => network.counters(name))];
  };
  assert.deepEqual(await seen(true), await seen(false));
});
