import * as assert from "#assert";
import { encodeFrame } from "./frame.ts";
import { Hold } from "./hold.ts";
import { type Duplex, GATEWAY_PORT, Switch } from "./switch.ts";
import { arp, data, ethernet, IPS, ipv4, MACS, mark, type Name, Network, udp } from "./testing.ts";

/**
 * A connection without a kernel between: after {@link turn} the switch has done all that it can do, so what was not written
 * by then is held.
 */
class Wire implements Duplex {
  /** What was written to it: the marks of its frames, in order. */
  readonly got: (number | undefined)[] = [];
  /** How many reads gave something. */
  reads = 0;
  /** While it is set, writes stay pending until it resolves. */
  jam: Promise<void> | undefined;
  /** The most that one write takes. */
  bite = Infinity;
  readonly #toGive: Uint8Array[] = [];
  #ended = false;
  #wanted: { into: Uint8Array; resolve: (count: number | null) => void } | undefined;
  #part = new Uint8Array();

  give(...frames: Uint8Array[]): void {
    this.#toGive.push(...frames.map(encodeFrame));
    this.#answer();
  }

  /** The other side closes it, behind what it has sent. */
  end(): void {
    this.#ended = true;
    this.#answer();
  }

  read(into: Uint8Array): Promise<number | null> {
    return new Promise((resolve) => {
      this.#wanted = { into, resolve };
      this.#answer();
    });
  }

  async write(from: Uint8Array): Promise<number> {
    await this.jam;
    const taken = from.subarray(0, Math.min(this.bite, from.length));
    let rest = Uint8Array.from([...this.#part, ...taken]);
    for (;;) {
      const end = 4 + (rest.length < 4 ? Infinity : new DataView(rest.buffer, rest.byteOffset).getUint32(0));
      if (end > rest.length) break;
      this.got.push(mark(rest.subarray(4, end)));
      rest = rest.subarray(end);
    }
    this.#part = rest;
    return taken.length;
  }

  close(): void {
    this.end();
  }

  #answer(): void {
    const wanted = this.#wanted;
    const next = this.#toGive.shift();
    if (!wanted || (!next && !this.#ended)) return void (next && this.#toGive.unshift(next));
    this.#wanted = undefined;
    if (!next) return wanted.resolve(null);
    const count = Math.min(next.length, wanted.into.length);
    wanted.into.set(next.subarray(0, count));
    if (count < next.length) this.#toGive.unshift(next.subarray(count));
    this.reads++;
    wanted.resolve(count);
  }
}

function plug(network: Switch, name: Name): Wire {
  const wire = new Wire();
  const rules = { egress: true, hostAccess: false };
  if (name === "gateway") network.addPort(wire, { name, role: "gateway" });
  else network.addPort(wire, { name, role: "member", mac: MACS[name], ip: IPS[name], rules });
  return wire;
}

/** Returns when everything that could happen has happened: nothing here waits for the system. */
const turn = () => new Promise<void>((resolve) => setTimeout(resolve, 0));

Deno.test("a held switch delivers nothing to members or the gateway, and afterwards everything, once and in order", async () => {
  const network = new Switch();
  const [a, b, gateway] = [plug(network, "a"), plug(network, "b"), plug(network, "gateway")];
  a.give(data("b", "a", 1));
  await turn();
  assert.deepEqual(b.got, [1]);
  const release = network.hold();
  for (let number = 2; number < 100; number++) a.give(data(number % 3 === 0 ? "all" : "b", "a", number));
  b.give(data("a", "b", 201), ethernet(MACS.all, MACS.b, 0x0806, arp({ senderMac: MACS.b, senderIp: IPS.b })));
  gateway.give(data("a", "gateway", 202), data("b", "gateway", 203));
  await turn();
  assert.deepEqual([a.got, b.got, gateway.got], [[], [1], []]);
  assert.equal(network.counters().get("a")!.rxFrames, 1);
  assert.equal(network.counters().get("b")!.txFrames, 1);
  release();
  await turn();
  const numbers = Array.from({ length: 99 }, (_, index) => index + 1);
  assert.deepEqual(b.got.filter((one) => one !== 203), numbers);
  assert.equal(b.got.filter((one) => one === 203).length, 1);
  assert.deepEqual(a.got.filter((one) => one === 201 || one === 202).sort(), [201, 202]);
  assert.equal(gateway.got.length, 1, "b's ARP");
  const counters = network.counters();
  assert.deepEqual(counters.get("a"), {
    rxFrames: 99,
    rxBytes: 99 * 54,
    txFrames: 3,
    txBytes: 2 * 54 + 42,
    dropped: {},
  });
  assert.equal(counters.get("b")!.txFrames, 100);
  assert.deepEqual(counters.get(GATEWAY_PORT)!.rxFrames, 2);
  network.close();
});

Deno.test("a held port reads one buffer and no more, whatever is sent", async () => {
  const network = new Switch();
  const [a, b] = [plug(network, "a"), plug(network, "b")];
  await turn();
  const release = network.hold();
  for (let number = 0; number < 200; number++) a.give(data("b", "a", number, 1500));
  await turn();
  await turn();
  assert.equal(a.reads, 1);
  release();
  await turn();
  assert.deepEqual(b.got, Array.from({ length: 200 }, (_, index) => index));
  network.close();
});

Deno.test("answers of the switch itself are held, too", async () => {
  let asked = 0;
  const network = new Switch({ dns: { respond: (message) => (asked++, message) } });
  const a = plug(network, "a");
  await turn();
  const release = network.hold();
  const question = udp(1000, 53, Uint8Array.of(0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0));
  a.give(
    ethernet(MACS.all, MACS.a, 0x0806, arp({ targetIp: "10.88.0.3" })),
    ethernet(MACS.dns, MACS.a, 0x0800, ipv4({ to: "10.88.0.3" }, question)),
  );
  await turn();
  assert.deepEqual([a.got.length, asked], [0, 0]);
  release();
  await turn();
  assert.deepEqual([a.got.length, asked], [2, 1]);
  network.close();
});

Deno.test("what is queued for a port that does not read stays queued in a hold, but for the write that is under way", async () => {
  const network = new Switch();
  const [a, b] = [plug(network, "a"), plug(network, "b")];
  const jam = Promise.withResolvers<void>();
  b.jam = jam.promise;
  b.bite = 80; // a frame and a part of the next
  for (let number = 1; number <= 5; number++) a.give(data("b", "a", number));
  await turn();
  assert.deepEqual([network.counters().get("b")!.txFrames, b.got], [5, []]);
  const release = network.hold();
  jam.resolve();
  b.jam = undefined;
  await turn();
  assert.deepEqual(b.got, [1]);
  release();
  await turn();
  assert.deepEqual(b.got, [1, 2, 3, 4, 5]);
  network.close();
});

Deno.test("two holds end with the later one; releasing one twice does not release the other", async () => {
  const network = new Switch();
  const [a, b] = [plug(network, "a"), plug(network, "b")];
  const [first, second] = [network.hold(), network.hold()];
  a.give(data("b", "a", 1));
  await turn();
  first();
  first();
  await turn();
  assert.deepEqual(b.got, []);
  second();
  const third = network.hold(); // before the ports hear of the release
  await turn();
  assert.deepEqual([b.got, network.counters().get("a")!.rxFrames], [[], 0]);
  third();
  await turn();
  assert.deepEqual(b.got, [1]);
  second();
  network.close();
});

Deno.test("ports come and go during a hold: removed, closed by their guest, replaced, added", async () => {
  const network = new Switch();
  const [a, b, c] = [plug(network, "a"), plug(network, "b"), plug(network, "c")];
  await turn();
  const release = network.hold();
  const ports = { a: network.port("a")!, b: network.port("b")!, c: network.port("c")! };
  a.give(data("c", "a", 1));
  b.give(data("c", "b", 2));
  await turn();
  network.removePort("a");
  assert.equal((await ports.a.closed).why, "removed", "it does not wait for the release");
  c.end();
  assert.equal((await ports.c.closed).why, "ended");
  const again = plug(network, "c");
  const another = plug(network, "a");
  another.give(data("c", "a", 3));
  b.end(); // behind its frame, which is still to come
  await turn();
  assert.deepEqual([again.got, ports.b.isOpen], [[], true]);
  release();
  assert.equal((await ports.b.closed).why, "ended");
  await turn();
  assert.deepEqual(again.got, [2, 3], "what the removed port had not passed on is gone with it");
  assert.deepEqual(c.got, []);
  network.close();
});

Deno.test("a switch that is closed during a hold ends every port, reading or writing", async () => {
  const network = new Switch();
  const [a, b] = [plug(network, "a"), plug(network, "b")];
  b.bite = 10;
  const jam = Promise.withResolvers<void>();
  b.jam = jam.promise;
  a.give(data("b", "a", 1));
  await turn();
  network.hold();
  jam.resolve();
  a.give(data("b", "a", 2));
  await turn();
  const ends = ["a", "b"].map((name) => network.port(name)!.closed);
  network.close();
  assert.deepEqual((await Promise.all(ends)).map(({ why }) => why), ["closed", "closed"]);
  await turn();
  assert.deepEqual(b.got, []);
});

Deno.test("a hold keeps nobody that was let go", async () => {
  const hold = new Hold<string>();
  const release = hold.begin();
  const waits = [hold.wait("a"), hold.wait("a"), hold.wait("b")];
  hold.letGo("a");
  hold.letGo("nobody");
  await Promise.all(waits.slice(0, 2));
  assert.ok(hold.isOn);
  release();
  await waits[2];
  assert.equal(hold.isOn, false);
});

Deno.test("over real sockets, frames wait for the end of a hold and arrive in order", async () => {
  await using network = new Network();
  const [a, b] = [await network.plug("a"), await network.plug("b")];
  await a.send(data("b", "a", 255));
  assert.equal(mark(await b.receive()), 255);
  const release = network.switch.hold();
  const sent = a.send(...Array.from({ length: 150 }, (_, number) => data("b", "a", number, 1500)));
  let isThere = false;
  const first = b.receive().then((frame) => (isThere = true, frame));
  // A connection that ends meanwhile is seen, so the system's events are not waiting behind the hold.
  const c = await network.plug("c");
  const ended = network.switch.port("c")!.closed;
  c.conn.close();
  assert.equal((await ended).why, "ended");
  assert.deepEqual([isThere, network.counters("a").rxFrames], [false, 1]);
  release();
  assert.equal(mark(await first), 0);
  for (let number = 1; number < 150; number++) assert.equal(mark(await b.receive()), number);
  await sent;
  assert.deepEqual(network.counters("b").dropped, {});
});
