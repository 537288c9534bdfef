/** The switch with faults: frames between guests, at the ends of real connections. */

import * as assert from "#assert";
import { encodeFrame } from "./frame.ts";
import type { FaultCounts, LinkConditions, Shape } from "./faults/conditions.ts";
import { arp, data, ethernet, type Guest, IPS, ipv4, MACS, mark, type Name, Network, udp } from "./testing.ts";
import { GATEWAY_PORT } from "./switch.ts";

const shape = (shape: Shape, id = "f1", seed = 1): LinkConditions => ({ shapes: [{ id, seed, shape }] });
const CUT: LinkConditions = { cuts: ["f1"] };
const HELD: LinkConditions = { holds: ["f1"] };

/** What a fault did, without zeros. */
function counts(network: Network, id = "f1"): Partial<FaultCounts> {
  const all = Object.entries(network.switch.faultCounts().get(id) ?? {});
  return Object.fromEntries(all.filter(([, count]) => count > 0));
}

/** Sends frames as one write, so that they come in one chunk, or in few. */
async function sendTogether(guest: Guest, frames: Uint8Array[]): Promise<void> {
  await guest.sendRaw(Uint8Array.from(frames.flatMap((frame) => [...encodeFrame(frame)])));
}

async function marks(guest: Guest, count: number): Promise<(number | undefined)[]> {
  const found = [];
  for (let index = 0; index < count; index++) found.push(mark(await guest.receive()));
  return found;
}

/** Waits until the switch has processed what a guest has sent: it sends a frame to itself by another. */
async function settled(from: Guest, name: Name, by: Guest, byName: Name): Promise<void> {
  await from.send(data(byName, name, 0xaa));
  assert.equal(mark(await by.receive()), 0xaa, "nothing else arrived before");
}

Deno.test("a cut drops every frame of its pair, one way, and no other; when it ends frames arrive again", async () => {
  await using network = new Network();
  const [a, b, c] = [await network.plug("a"), await network.plug("b"), await network.plug("c")];
  network.switch.setConditions("a", "b", CUT);
  assert.ok(network.switch.isCut("a", "b") && !network.switch.isCut("b", "a"));
  await a.send(data("b", "a", 1), data("c", "a", 2));
  assert.equal(mark(await c.receive()), 2);
  const [[, before]] = [...network.switch.faultCounts()].map(([id, { cut }]) => [id, cut] as const);
  assert.ok(network.switch.isCut("a", "b", true), "a frame that was not even sent counts, where that is said");
  assert.deepEqual([...network.switch.faultCounts().values()].map(({ cut }) => cut), [before + 1]);
  await b.send(data("a", "b", 3));
  assert.equal(mark(await a.receive()), 3, "the other way");
  network.switch.setConditions("a", "b", undefined);
  await a.send(data("b", "a", 4));
  assert.equal(mark(await b.receive()), 4);
  assert.deepEqual(counts(network), { frames: 2, cut: 2 });
  network.switch.forgetFault("f1");
  assert.equal(network.switch.faultCounts().size, 0);
});

Deno.test("broadcasts, ARP and floods are judged for each receiver", async () => {
  await using network = new Network();
  const [a, b, c] = [await network.plug("a"), await network.plug("b"), await network.plug("c")];
  network.switch.setConditions("a", "b", CUT);
  const request = ethernet(MACS.all, MACS.a, 0x0806, arp({ targetIp: IPS.b }));
  await a.send(data("all", "a", 1), request, data("nobody", "a", 2));
  assert.equal(mark(await c.receive()), 1);
  assert.deepEqual(await c.receive(), request);
  assert.equal(mark(await c.receive()), 2);
  await settled(c, "c", b, "b");
  assert.deepEqual(counts(network), { frames: 3, cut: 3 });
});

Deno.test("conditions may come before their ports, and stay when these are replaced or removed", async () => {
  await using network = new Network();
  network.switch.setConditions("a", "b", CUT);
  const [a, b, c] = [await network.plug("a"), await network.plug("b"), await network.plug("c")];
  const sends = async (guest: Guest, to: Guest) => {
    await guest.send(data("b", "a", 1), data("c", "a", 2));
    assert.equal(mark(await c.receive()), 2);
    await settled(c, "c", to, "b");
  };
  await sends(a, b);
  await sends(await network.plug("a"), b);
  network.switch.removePort("b");
  network.switch.removePort("a");
  const newB = await network.plug("b"); // the ids are given in another order than before
  await sends(await network.plug("a"), newB);
  assert.deepEqual(counts(network), { frames: 3, cut: 3 });
});

Deno.test("faults that cut the same pair each count, and the pair is cut until the last one ends", async () => {
  await using network = new Network();
  const [a, b, c] = [await network.plug("a"), await network.plug("b"), await network.plug("c")];
  network.switch.setConditions("a", "b", { cuts: ["f1", "f2"] });
  await a.send(data("b", "a", 1), data("c", "a", 2));
  assert.equal(mark(await c.receive()), 2);
  network.switch.setConditions("a", "b", { cuts: ["f2"] });
  await a.send(data("b", "a", 3), data("c", "a", 4));
  assert.equal(mark(await c.receive()), 4);
  await settled(c, "c", b, "b");
  assert.deepEqual([counts(network, "f1").cut, counts(network, "f2").cut], [1, 2]);
});

Deno.test("a hold keeps frames back, and delivers them in order when the last one ends, before those that come then", async () => {
  await using network = new Network();
  const [a, b, c] = [await network.plug("a"), await network.plug("b"), await network.plug("c")];
  network.switch.setConditions("a", "b", { holds: ["f1", "f2"] });
  for (let index = 1; index <= 50; index++) await a.send(data("b", "a", index));
  await a.send(data("c", "a", 99));
  assert.equal(mark(await c.receive()), 99);
  network.switch.setConditions("a", "b", { holds: ["f2"] });
  await settled(c, "c", b, "b");
  network.switch.setConditions("a", "b", undefined);
  await a.send(data("b", "a", 51));
  assert.deepEqual(await marks(b, 51), Array.from({ length: 51 }, (_, index) => index + 1));
  assert.deepEqual(counts(network, "f2"), { frames: 50, held: 50 });
});

Deno.test("a hold keeps 1,000 frames of a pair, and drops and counts those above; all of them fit through a small queue", async () => {
  await using network = new Network();
  const [a, b, c] = [await network.plug("a"), await network.plug("b"), await network.plug("c")];
  network.switch.setConditions("a", "b", HELD);
  for (let sent = 0; sent < 1010; sent += 10) {
    await sendTogether(a, Array.from({ length: 10 }, (_, index) => data("b", "a", (sent + index) % 251, 1500)));
  }
  await a.send(data("c", "a", 99));
  assert.equal(mark(await c.receive()), 99);
  assert.deepEqual(counts(network), { frames: 1010, held: 1000, overLimit: 10 });
  network.switch.setConditions("a", "b", undefined); // 1.5 MB at once, of which a port's queue takes a third
  await a.send(data("b", "a", 252));
  const expected = [...Array.from({ length: 1000 }, (_, index) => index % 251), 252];
  assert.deepEqual(await marks(b, 1001), expected);
  assert.deepEqual(network.counters("b").dropped, {});
});

Deno.test("a cut that begins while frames are held drops them", async () => {
  await using network = new Network();
  const [a, b, c] = [await network.plug("a"), await network.plug("b"), await network.plug("c")];
  network.switch.setConditions("a", "b", { holds: ["f1"] });
  await a.send(data("b", "a", 1), data("c", "a", 9));
  assert.equal(mark(await c.receive()), 9);
  network.switch.setConditions("a", "b", { cuts: ["f2"] });
  network.switch.setConditions("a", "b", undefined);
  await settled(c, "c", b, "b");
  assert.deepEqual(counts(network, "f2"), { frames: 1, cut: 1 });
});

Deno.test("a delay delivers at its time, in order, also when it is ended meanwhile; other pairs are not delayed", async () => {
  await using network = new Network();
  const [a, b, c] = [await network.plug("a"), await network.plug("b"), await network.plug("c")];
  network.switch.setConditions("a", "b", shape({ delayMs: 60 }));
  const begin = performance.now();
  await a.send(data("b", "a", 1), data("b", "a", 2), data("c", "a", 9));
  assert.equal(mark(await c.receive()), 9);
  network.switch.setConditions("a", "b", undefined);
  assert.deepEqual(await marks(b, 2), [1, 2]);
  assert.ok(performance.now() - begin >= 59, "not before the delay");
  assert.deepEqual(counts(network), { frames: 2, delayed: 2 });
});

Deno.test("delayed frames that come to a hold wait for its end", async () => {
  await using network = new Network();
  const [a, b] = [await network.plug("a"), await network.plug("b")];
  const { shapes } = shape({ delayMs: 5 }, "slow");
  network.switch.setConditions("a", "b", { shapes, ...HELD });
  await a.send(data("b", "a", 1), data("b", "a", 2));
  while (counts(network).held !== 2) await new Promise((resolve) => setTimeout(resolve, 1));
  network.switch.setConditions("a", "b", { shapes });
  assert.deepEqual(await marks(b, 2), [1, 2]);
});

Deno.test("shapes apply one after the other: delays add up, and what the first loses does not meet the second", async () => {
  await using network = new Network();
  const [a, b] = [await network.plug("a"), await network.plug("b")];
  network.switch.setConditions("a", "b", {
    shapes: [{ id: "f1", seed: 1, shape: { delayMs: 20 } }, { id: "f2", seed: 2, shape: { delayMs: 30 } }],
  });
  const begin = performance.now();
  await a.send(data("b", "a", 1));
  assert.equal(mark(await b.receive()), 1);
  assert.ok(performance.now() - begin >= 49);
  network.switch.setConditions("a", "b", {
    shapes: [{ id: "f3", seed: 1, shape: { loss: 1 } }, { id: "f2", seed: 2, shape: { delayMs: 30 } }],
  });
  await a.send(data("b", "a", 2), data("nobody", "a", 3));
  network.switch.setConditions("a", "b", undefined);
  await a.send(data("b", "a", 4));
  let last = mark(await b.receive());
  while (last !== 4) last = mark(await b.receive());
  assert.equal(counts(network, "f2").frames, 1);
  assert.equal(counts(network, "f3").lost, counts(network, "f3").frames);
});

Deno.test("a duplicate comes twice; a corrupt frame has one bit of its payload flipped", async () => {
  await using network = new Network();
  const [a, b] = [await network.plug("a"), await network.plug("b")];
  network.switch.setConditions("a", "b", shape({ duplicate: 1 }));
  await a.send(data("b", "a", 1), data("b", "a", 2));
  assert.deepEqual(await marks(b, 4), [1, 1, 2, 2]);
  network.switch.setConditions("a", "b", shape({ corrupt: 1 }, "f2"));
  const frame = data("b", "a", 3);
  await a.send(frame, frame);
  for (let index = 0; index < 2; index++) {
    const found = (await b.receive())!;
    assert.deepEqual(found.slice(0, 14), frame.slice(0, 14), "the Ethernet header is as it was");
    const flipped = found.reduce(
      (bits, byte, at) => bits + (byte ^ frame[at]).toString(2).replaceAll("0", "").length,
      0,
    );
    assert.equal(flipped, 1);
  }
  assert.deepEqual([counts(network).duplicated, counts(network, "f2").corrupted], [2, 2]);
});

Deno.test("a rate delivers frames in time: 100 kilobytes at 8 Mbit/s take 100 ms", async () => {
  await using network = new Network();
  const [a, b] = [await network.plug("a"), await network.plug("b")];
  network.switch.setConditions("a", "b", shape({ rateBitsPerSecond: 8_000_000 }));
  const begin = performance.now();
  await sendTogether(a, Array.from({ length: 100 }, (_, index) => data("b", "a", index, 986)));
  assert.deepEqual(await marks(b, 100), Array.from({ length: 100 }, (_, index) => index));
  assert.ok(performance.now() - begin >= 98, "not faster");
});

Deno.test("frames on their way to a port that goes are dropped and counted as unreachable", async () => {
  await using network = new Network();
  const [a, , c] = [await network.plug("a"), await network.plug("b"), await network.plug("c")];
  network.switch.setConditions("a", "b", shape({ delayMs: 100_000 }));
  network.switch.setConditions("c", "b", HELD);
  await a.send(data("b", "a", 1), data("c", "a", 9));
  assert.equal(mark(await c.receive()), 9);
  await c.send(data("b", "c", 1), data("a", "c", 9));
  assert.equal(mark(await a.receive()), 9);
  network.switch.port("b")!.close();
  assert.deepEqual(network.counters("a").dropped, { unreachable: 1 });
  assert.deepEqual(network.counters("c").dropped, { unreachable: 1 });
});

Deno.test("while the switch is held nothing of the delay line or of a hold is delivered", async () => {
  await using network = new Network();
  const [a, b, c] = [await network.plug("a"), await network.plug("b"), await network.plug("c")];
  network.switch.setConditions("a", "b", shape({ delayMs: 30 }));
  network.switch.setConditions("c", "b", HELD);
  await c.send(data("b", "c", 1), data("a", "c", 9));
  assert.equal(mark(await a.receive()), 9);
  await a.send(data("b", "a", 2), data("c", "a", 9));
  assert.equal(mark(await c.receive()), 9);
  const release = network.switch.hold();
  network.switch.setConditions("c", "b", undefined);
  await new Promise((resolve) => setTimeout(resolve, 60)); // the subject is a time: that of the delay
  assert.equal(network.counters("b").txFrames, 0);
  release();
  assert.deepEqual(await marks(b, 2), [1, 2]);
});

const QUESTION = ethernet(
  MACS.dns,
  MACS.a,
  0x0800,
  ipv4({ from: IPS.a, to: "10.88.0.3" }, udp(5000, 53, new Uint8Array(20))),
);

Deno.test("the holder's own answers are the gateway's: cut off from it, nothing is answered, in either direction", async () => {
  const askers: string[] = [];
  await using network = new Network({
    dns: { respond: (message, _egress, asker) => (askers.push(asker), message) },
  });
  const [a, b] = [await network.plug("a"), await network.plug("b")];
  const asks = async () => {
    await a.send(QUESTION, ethernet(MACS.all, MACS.a, 0x0806, arp({ targetIp: "10.88.0.3" })), data("b", "a", 9));
    while (mark(await b.receive()) !== 9);
  };
  network.switch.setConditions("a", GATEWAY_PORT, CUT);
  await asks();
  assert.deepEqual(askers, []);
  network.switch.setConditions("a", GATEWAY_PORT, undefined);
  network.switch.setConditions(GATEWAY_PORT, "a", { cuts: ["f2"] });
  await asks();
  assert.deepEqual(askers, ["a"], "it was asked");
  await settled(b, "b", a, "a");
  assert.deepEqual([counts(network), counts(network, "f2")], [{ frames: 2, cut: 2 }, { frames: 2, cut: 2 }]);
  network.switch.setConditions(GATEWAY_PORT, "a", undefined);
  await asks();
  assert.equal((await a.receive())?.length, QUESTION.length, "the DNS answer");
  assert.equal((await a.receive())?.length, 42, "the ARP answer");
});

Deno.test("a question and its answer are delayed by what is wrong with the gateway's links", async () => {
  await using network = new Network({ dns: { respond: (message) => message } });
  const a = await network.plug("a");
  network.switch.setConditions("a", GATEWAY_PORT, shape({ delayMs: 20 }));
  network.switch.setConditions(GATEWAY_PORT, "a", shape({ delayMs: 30 }, "f2"));
  const begin = performance.now();
  await a.send(QUESTION);
  assert.equal((await a.receive())?.length, QUESTION.length);
  assert.ok(performance.now() - begin >= 49);
});

Deno.test("what has waited for the gateway is still checked: no frame reaches it that may not", async () => {
  await using network = new Network();
  const a = await network.plug("a", { egress: false, hostAccess: false });
  await network.plug("gateway");
  network.switch.setConditions("a", GATEWAY_PORT, shape({ delayMs: 5 }));
  await a.send(ethernet(MACS.gateway, MACS.a, 0x0800, ipv4({ to: "192.0.2.1" }, udp(1, 2))));
  while (counts(network).delayed !== 1 || Object.keys(network.counters("a").dropped).length === 0) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  assert.deepEqual(network.counters("a").dropped, { "egress-off": 1 });
});

Deno.test("what stays when conditions change keeps its state: the random numbers go on, not from the beginning", async () => {
  const received = async (change: (network: Network) => void) => {
    await using network = new Network();
    const [a, b] = [await network.plug("a"), await network.plug("b")];
    const half = { id: "f1", seed: 5, shape: { loss: 0.5 } };
    network.switch.setConditions("a", "b", { shapes: [half] });
    const found: number[] = [];
    for (const begin of [0, 100]) {
      for (let index = begin; index < begin + 100; index++) await a.send(data("b", "a", index));
      await a.send(data("a", "a", 0), ethernet(MACS.all, MACS.a, 0x88b5, Uint8Array.of(250)));
      await b.send(data("a", "b", 251));
      while (counts(network).frames !== begin + 100 + begin / 100 + 1) await a.receive();
      if (begin === 0) change(network);
    }
    network.switch.setConditions("a", "b", undefined);
    await a.send(data("b", "a", 255));
    for (let last = 0; last !== 255;) {
      last = mark(await b.receive())!;
      if (last < 250) found.push(last);
    }
    return found;
  };
  const plain = await received(() => {});
  const half = { id: "f1", seed: 5, shape: { loss: 0.5 } };
  const more = (network: Network) => {
    network.switch.setConditions("a", "b", {
      holds: ["f3"],
      shapes: [half, { id: "f2", seed: 1, shape: { delayMs: 1 } }],
    });
    network.switch.setConditions("a", "b", { shapes: [half] });
    network.switch.setConditions("b", "a", shape({ corrupt: 0.1 }, "f9"));
  };
  assert.deepEqual(await received(more), plain);
  assert.ok(plain.length > 60 && plain.length < 140, `${plain.length} of 200`);
});
