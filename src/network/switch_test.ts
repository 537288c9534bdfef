import * as assert from "#assert";
import fc from "fast-check";
import { SUBNET } from "./subnet.ts";
import { FleetboxError } from "../core/errors.ts";
import process from "node:process";
import { DnsResponder } from "./dns.ts";
import { encodeFrame, MAX_FRAME } from "./frame.ts";
import { QUEUE_BYTES } from "./queue.ts";
import { Switch } from "./switch.ts";
import {
  arp,
  data,
  ethernet,
  Guest,
  IPS,
  ipv4,
  MACS,
  mark,
  type Name,
  Network,
  socketPair,
  tcp,
  udp,
} from "./testing.ts";

const IP = 0x0800, ARP = 0x0806;
const SYN = 2;

/** Sends a marked frame to all and gives the mark of what a guest receives next: tells that nothing came before it. */
async function nextAfterBroadcast(from: Guest, name: Name, to: Guest): Promise<number | undefined> {
  await from.send(data("all", name, 0xee));
  return mark(await to.receive());
}

Deno.test("a frame to a member goes to that member only", async () => {
  await using network = new Network();
  const [a, b, c] = [await network.plug("a"), await network.plug("b"), await network.plug("c")];
  await a.send(data("b", "a", 1));
  assert.equal(mark(await b.receive()), 1);
  assert.equal(await nextAfterBroadcast(a, "a", c), 0xee);
  assert.equal(network.counters("a").rxFrames, 2);
  assert.equal(network.counters("a").rxBytes, 2 * 54);
  assert.equal(network.counters("b").txFrames, 2);
  assert.equal(network.counters("b").txBytes, 2 * 54);
  assert.equal(network.counters("c").txFrames, 1);
});

Deno.test("order is kept between unicast and broadcast frames of one chunk", async () => {
  await using network = new Network();
  const [a, b] = [await network.plug("a"), await network.plug("b")];
  const frames = Array.from({ length: 60 }, (_, index) => data(index % 3 === 2 ? "all" : "b", "a", index));
  await a.sendRaw(Uint8Array.from(frames.flatMap((frame) => [...encodeFrame(frame)])));
  for (let index = 0; index < frames.length; index++) assert.deepEqual(await b.receive(), frames[index]);
});

Deno.test("broadcast goes to all but its sender; an unknown address to all members but not to the gateway", async () => {
  await using network = new Network();
  const [a, b, c] = [await network.plug("a"), await network.plug("b"), await network.plug("c")];
  const gateway = await network.plug("gateway");
  await a.send(data("nobody", "a", 1), ethernet(MACS.all, MACS.a, ARP, arp({ targetIp: "10.88.0.1" })));
  for (const guest of [b, c]) {
    assert.equal(mark(await guest.receive()), 1);
    assert.equal((await guest.receive())?.length, 42);
  }
  assert.equal((await gateway.receive())?.length, 42);
  await b.send(data("a", "b", 2));
  assert.equal(mark(await a.receive()), 2, "a got none of its own frames back");
  assert.deepEqual(network.counters("a").dropped, {});
});

Deno.test("a free address is learned, and moves from a to b", async () => {
  await using network = new Network();
  const [a, b, c] = [await network.plug("a"), await network.plug("b"), await network.plug("c")];
  const announcement = ethernet(
    MACS.all,
    MACS.nobody,
    ARP,
    arp({ senderMac: MACS.nobody, senderIp: IPS.nobody, targetIp: IPS.nobody }),
  );
  await a.send(announcement);
  await c.receive();
  await b.receive();
  await c.send(data("nobody", "c", 1));
  assert.equal(mark(await a.receive()), 1);
  await b.send(announcement);
  await c.receive();
  await a.receive();
  await c.send(data("nobody", "c", 2));
  assert.equal(mark(await b.receive()), 2);
  assert.equal(await nextAfterBroadcast(c, "c", a), 0xee, "a no longer gets what is sent there");
  for (const name of ["a", "b", "c"] as const) assert.deepEqual(network.counters(name).dropped, {});
});

Deno.test("frames that claim another's MAC or address are dropped and counted at their sender", async () => {
  await using network = new Network();
  const [a, b, c] = [await network.plug("a"), await network.plug("b"), await network.plug("c")];
  await a.send(
    data("c", "b", 1),
    data("c", "gateway", 1),
    ethernet(MACS.c, MACS.a, IP, ipv4({ from: IPS.b, to: IPS.c }, udp(1, 2))),
    ethernet(MACS.all, MACS.a, ARP, arp({ operation: 2, senderIp: IPS.b, targetIp: IPS.b })),
    new Uint8Array(),
    new Uint8Array(1),
    new Uint8Array(13),
  );
  assert.equal(await nextAfterBroadcast(a, "a", c), 0xee);
  await c.send(data("b", "c", 3));
  assert.equal(mark(await b.receive()), 0xee);
  assert.equal(mark(await b.receive()), 3, "b's address still leads to b");
  assert.deepEqual(network.counters("a").dropped, {
    "spoofed-mac": 2,
    "spoofed-ip": 1,
    "spoofed-arp": 1,
    "malformed": 3,
  });
});

Deno.test("a member's addresses stay its own while it is not connected, until it is removed", async () => {
  await using network = new Network();
  const [a, b, c] = [await network.plug("a"), await network.plug("b"), await network.plug("c")];
  const claim = ethernet(MACS.all, MACS.b, ARP, arp({ senderMac: MACS.b, senderIp: IPS.b }));
  const closed = network.switch.port("b")!.closed;
  b.conn.close();
  assert.equal((await closed).why, "ended");
  await a.send(claim, data("b", "a", 1));
  assert.equal(await nextAfterBroadcast(a, "a", c), 0xee);
  assert.deepEqual(network.counters("a").dropped, { "spoofed-mac": 1, "unreachable": 1 });
  network.switch.removePort("b");
  assert.equal(network.switch.counters().has("b"), false);
  await a.send(claim);
  assert.equal((await c.receive())?.length, 42);
});

Deno.test("the guest's own attempts at the gateway are dropped, what it may do goes through", async () => {
  await using network = new Network();
  const [a, b] = [await network.plug("a"), await network.plug("b")];
  const gateway = await network.plug("gateway");
  const connect = (to: string, mac: string = MACS.gateway) =>
    ethernet(mac, MACS.a, IP, ipv4({ to, protocol: 6 }, tcp(4, 22, SYN)));
  await a.send(connect("10.88.0.1"), connect("127.0.0.1"), connect("10.88.0.1", MACS.all), connect("192.0.2.1"));
  assert.deepEqual(await gateway.receive(), connect("192.0.2.1"));
  assert.deepEqual(await b.receive(), connect("10.88.0.1", MACS.all), "members may hear it: it is their network");
  assert.deepEqual(network.counters("a").dropped, { "gateway-closed": 3 });
  await gateway.send(data("a", "b", 1), data("a", "gateway", 2));
  assert.equal(mark(await a.receive()), 2);
  assert.deepEqual(network.counters("gateway").dropped, { "spoofed-mac": 1 });
});

Deno.test(
  "a port that never reads costs the others nothing, and memory is bounded",
  { sanitizeOps: false },
  async () => {
    await using network = new Network();
    const [a, b, c] = [await network.plug("a"), await network.plug("b"), await network.plug("c")];
    void b;
    const frame = data("b", "a", 5, 1500);
    const burst = Uint8Array.from(Array.from({ length: 40 }, () => [...encodeFrame(frame)]).flat());
    const before = Deno.memoryUsage().rss;
    for (let round = 0; round < 1000; round++) {
      await a.sendRaw(burst); // 60 MB in all
      if (round % 100 !== 0) continue;
      await a.send(data("c", "a", round / 100));
      assert.equal(mark(await c.receive()), round / 100);
    }
    await a.send(data("c", "a", 99));
    assert.equal(mark(await c.receive()), 99);
    const { dropped, txFrames } = network.counters("b");
    assert.equal(dropped["queue-full"]! + txFrames, 40_000);
    assert.ok(txFrames * 1514 < 2 * QUEUE_BYTES + 2_000_000, `${txFrames} frames are queued or in the socket`);
    assert.ok(Deno.memoryUsage().rss - before < 64 * 2 ** 20);
    assert.deepEqual(network.counters("c").dropped, {});

    // It begins to read again: first what was kept, whole frames only, then what is new.
    let next = await b.receive();
    for (let kept = 1; kept < txFrames; kept++) {
      assert.equal(next?.length, frame.length);
      next = await b.receive();
    }
    await a.send(data("b", "a", 77));
    assert.equal(mark(await b.receive()), 77);
  },
);

Deno.test("a stream that turns to garbage ends its own port with the reason", async () => {
  await using network = new Network();
  const [a, b] = [await network.plug("a"), await network.plug("b")];
  const port = network.switch.port("a")!;
  await a.send(data("b", "a", 1));
  await a.sendRaw(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 1, 2, 3));
  const end = await port.closed;
  assert.equal(end.why, "garbage");
  assert.match(end.message, /4294967295 bytes/);
  assert.equal(mark(await b.receive()), 1, "what came before is delivered");
  assert.deepEqual(network.counters("a").dropped, { oversize: 1 });
  assert.equal(network.switch.port("a"), undefined);
});

Deno.test("frames of every length that QEMU can send are forwarded, split anywhere", async () => {
  await using network = new Network();
  const [a, b] = [await network.plug("a"), await network.plug("b")];
  for (const length of [14, 15, 60, 1514, 65535, 65536, MAX_FRAME]) {
    const frame = data("b", "a", 9, length - 14);
    const bytes = encodeFrame(frame);
    await a.sendRaw(bytes.subarray(0, 3));
    await new Promise((resolve) => setTimeout(resolve, 1));
    await Promise.all([a.sendRaw(bytes.subarray(3)), b.receive().then((got) => assert.deepEqual(got, frame))]);
  }
});

Deno.test("a connection that dies in the middle of a frame ends that port, and the member can come back", async () => {
  await using network = new Network();
  const [a, b] = [await network.plug("a"), await network.plug("b")];
  const port = network.switch.port("a")!;
  await a.send(data("b", "a", 1));
  await a.sendRaw(encodeFrame(data("b", "a", 2)).subarray(0, 20));
  a.conn.close();
  const end = await port.closed;
  assert.equal(end.why, "ended");
  assert.match(end.message, /in the middle of a frame/);
  const again = await network.plug("a");
  await again.send(data("b", "a", 3));
  assert.equal(mark(await b.receive()), 1);
  assert.equal(mark(await b.receive()), 3);
  assert.equal(network.counters("a").rxFrames, 2, "counting goes on");
});

Deno.test("a port that is added again replaces the old one", async () => {
  await using network = new Network();
  const [a, b] = [await network.plug("a"), await network.plug("b")];
  const old = network.switch.port("a")!;
  const again = await network.plug("a");
  assert.equal((await old.closed).why, "replaced");
  assert.equal(await a.receive(), undefined, "the old connection is closed");
  await b.send(data("a", "b", 4));
  assert.equal(mark(await again.receive()), 4);
  old.close();
  await b.send(data("a", "b", 5));
  assert.equal(mark(await again.receive()), 5);
});

Deno.test("close() and removePort() end a port with their own reasons", async () => {
  await using network = new Network();
  await network.plug("a");
  await network.plug("b");
  const [a, b] = [network.switch.port("a")!, network.switch.port("b")!];
  a.close();
  network.switch.removePort("b");
  network.switch.removePort("nobody");
  assert.equal((await a.closed).why, "closed");
  assert.equal((await b.closed).why, "removed");
});

Deno.test("addPort() refuses addresses that are another's or malformed", async () => {
  await using network = new Network();
  await network.plug("a");
  const [near, far] = await socketPair();
  const add = (options: { mac?: string; ip?: string }) =>
    network.switch.addPort(far, { name: "d", role: "member", ...options });
  const isCode = (code: string) => (thrown: FleetboxError) => thrown.code === code;
  assert.throws(() => add({ mac: MACS.a }), isCode("conflict"));
  assert.throws(() => add({ mac: SUBNET.gatewayMac }), isCode("conflict"));
  assert.throws(() => add({ ip: IPS.a }), isCode("conflict"));
  assert.throws(() => add({ ip: "10.88.0.1" }), isCode("conflict"));
  assert.throws(() => add({ ip: "10.99.0.11" }), isCode("misuse"));
  assert.throws(() => add({ mac: "nonsense" }), isCode("misuse"));
  assert.equal(network.switch.counters().has("d"), false);
  near.close();
  far.close();
});

Deno.test("a member that is called like the gateway's label is just a member", async () => {
  await using network = new Network();
  const gateway = await network.plug("gateway");
  const [near, far] = await socketPair();
  const port = network.switch.addPort(far, { name: "gateway", role: "member", mac: SUBNET.macOf(IPS.c), ip: IPS.c });
  network.guests.push(new Guest(near));
  await gateway.send(ethernet(SUBNET.macOf(IPS.c), MACS.gateway, 0x88b5, new Uint8Array(30).fill(3)));
  assert.equal(mark(await network.guests.at(-1)!.receive()), 3);
  port.close();
  await port.closed;
});

Deno.test("onActivity() reports the first frame after each connection, and announcements", async () => {
  await using network = new Network();
  const heard: string[] = [];
  network.switch.onActivity("a", (activity) => heard.push(activity));
  const [a, b] = [await network.plug("a"), await network.plug("b")];
  const announce = ethernet(MACS.all, MACS.a, ARP, arp({ targetIp: IPS.a }));
  await a.send(data("b", "b", 0), data("b", "a", 1), data("b", "a", 2), announce);
  for (let frame = 0; frame < 3; frame++) await b.receive();
  assert.deepEqual(heard, ["first-frame", "announcement"]);
  const again = await network.plug("a");
  await again.send(...Array.from({ length: 50 }, () => announce));
  for (let frame = 0; frame < 50; frame++) await b.receive();
  assert.equal(heard[2], "first-frame");
  assert.ok(heard.length >= 10 && heard.length <= 16, `${heard.length} calls: announcements are limited`);
  network.switch.onActivity("a", undefined);
  const before = heard.length;
  await network.plug("a").then((third) => third.send(data("b", "a", 3)));
  await b.receive();
  assert.equal(heard.length, before);
});

Deno.test("DNS questions are answered by the hook, passed on, or dropped, at most 2,000 a second", async () => {
  const answers: (Uint8Array | "pass" | "drop")[] = [Uint8Array.of(1, 2, 3), "pass", "drop"];
  await using network = new Network({ dns: { respond: () => answers.shift() ?? "drop" } });
  const [a, gateway] = [await network.plug("a"), await network.plug("gateway")];
  const question = (id: number) =>
    ethernet(MACS.dns, MACS.a, IP, ipv4({ to: "10.88.0.3" }, udp(1000, 53, Uint8Array.of(0, id))));
  await a.send(question(1), question(2), question(3));
  const reply = await a.receive();
  assert.deepEqual(reply?.slice(-3), Uint8Array.of(1, 2, 3));
  assert.deepEqual(await gateway.receive(), question(2));
  const many = Uint8Array.from(Array.from({ length: 3000 }, () => [...encodeFrame(question(4))]).flat());
  await a.sendRaw(many);
  await a.send(ethernet(MACS.all, MACS.a, ARP, arp({ targetIp: "10.88.0.1" })));
  assert.equal((await gateway.receive())?.length, 42);
  const { dropped } = network.counters("a");
  assert.equal(dropped["dns-malformed"]! + dropped["dns-rate"]!, 3001);
  assert.ok(dropped["dns-rate"]! > 500, `${dropped["dns-rate"]} were too many`);
});

Deno.test("10,000 questions at once take less than a second of processor time, and other members' frames go on", async () => {
  const dns = new DnsResponder({ lookup: () => IPS.b, nameOf: () => "b" });
  await using network = new Network({ dns });
  const [a, b, c] = [await network.plug("a"), await network.plug("b"), await network.plug("c")];
  const message = Uint8Array.of(0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 98, 0, 0, 1, 0, 1);
  const question = encodeFrame(ethernet(MACS.dns, MACS.a, IP, ipv4({ to: "10.88.0.3" }, udp(1000, 53, message))));
  const many = new Uint8Array(question.length * 10_000);
  for (let at = 0; at < many.length; at += question.length) many.set(question, at);
  const before = process.cpuUsage();
  const sending = a.sendRaw(many);
  for (let round = 0; round < 20; round++) {
    await c.send(data("b", "c", round));
    assert.equal(mark(await b.receive()), round);
  }
  await sending;
  await a.send(data("b", "a", 99));
  assert.equal(mark(await b.receive()), 99);
  const { user, system } = process.cpuUsage(before);
  assert.ok(user + system < 1_000_000, `${(user + system) / 1000} ms`);
  const { dropped } = network.counters("a");
  assert.ok(dropped["dns-rate"]! > 0, JSON.stringify(dropped));
});

Deno.test("while the gateway is down, the DNS address still answers ARP, and the rest is unreachable", async () => {
  await using network = new Network();
  const a = await network.plug("a");
  await a.send(
    ethernet(MACS.all, MACS.a, ARP, arp({ targetIp: "10.88.0.1" })),
    ethernet(MACS.gateway, MACS.a, IP, ipv4({ to: "192.0.2.1", protocol: 6 }, tcp(4, 22, SYN))),
    ethernet(MACS.all, MACS.a, ARP, arp({ targetIp: "10.88.0.3" })),
  );
  const expected = ethernet(
    MACS.a,
    MACS.dns,
    ARP,
    arp({ operation: 2, senderMac: MACS.dns, senderIp: "10.88.0.3", targetMac: MACS.a, targetIp: IPS.a }),
  );
  assert.deepEqual(await a.receive(), expected);
  assert.deepEqual(network.counters("a").dropped, { unreachable: 1 });
});

Deno.test("a port that never reads can be closed while a write waits for it", async () => {
  await using network = new Network();
  const [a] = [await network.plug("a"), await network.plug("b")];
  const port = network.switch.port("b")!;
  for (let round = 0; round < 1000; round++) await a.send(data("b", "a", 5, 1500));
  port.close();
  assert.equal((await port.closed).why, "closed");
});

/** A connection that gives some chunks and then ends; what is written to it vanishes. */
function scripted(chunks: Uint8Array[]) {
  const rest = [...chunks];
  return {
    read(into: Uint8Array): Promise<number | null> {
      const chunk = rest.shift();
      if (!chunk) return Promise.resolve(null);
      const count = Math.min(chunk.length, into.length);
      into.set(chunk.subarray(0, count));
      if (count < chunk.length) rest.unshift(chunk.subarray(count));
      return Promise.resolve(count);
    },
    write: (from: Uint8Array) => Promise.resolve(from.length),
    close() {},
  };
}

Deno.test("whatever a guest sends, its port ends with the connection, and every frame is accounted for", async () => {
  const from = fc.constantFrom(MACS.a, MACS.b, MACS.nobody, MACS.gateway);
  const to = fc.constantFrom(MACS.a, MACS.b, MACS.nobody, MACS.gateway, MACS.dns, MACS.all);
  const type = fc.constantFrom(IP, ARP, 0x86dd, 0x8100, 60);
  const frame = fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    fc.tuple(to, from, type, fc.uint8Array({ maxLength: 60 })).map((parts) => ethernet(...parts)),
  );
  const piece = fc.oneof({ weight: 9, arbitrary: frame.map(encodeFrame) }, {
    weight: 1,
    arbitrary: fc.uint8Array({ maxLength: 9 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 12 }), fc.integer({ min: 1, max: 200 }), async (pieces, size) => {
      const stream = Uint8Array.from(pieces.flatMap((each) => [...each]));
      const chunks: Uint8Array[] = [];
      for (let at = 0; at < stream.length; at += size) chunks.push(stream.subarray(at, at + size));
      const network = new Switch({ dns: { respond: () => "drop" } });
      const silent = { ...scripted([]), read: () => new Promise<null>(() => {}) };
      network.addPort(silent, { name: "b", role: "member", mac: MACS.b, ip: IPS.b });
      const rules = { egress: true, hostAccess: false };
      const port = network.addPort(scripted(chunks), { name: "a", role: "member", mac: MACS.a, ip: IPS.a, rules });
      const end = await port.closed;
      assert.ok(end.why === "ended" || end.why === "garbage", end.message);
      const { rxFrames, dropped } = port.counters;
      const { oversize = 0, ...others } = dropped;
      assert.equal(oversize, end.why === "garbage" ? 1 : 0);
      const count = Object.values(others).reduce((sum, each) => sum + each, 0);
      assert.ok(network.counters().get("b")!.txFrames + count <= 2 * rxFrames);
    }),
    { numRuns: 2000 },
  );
});

const CLOSED_RULES = { egress: false, hostAccess: false };
const toOutside = (from: "a" | "b") =>
  ethernet(MACS.gateway, MACS[from], IP, ipv4({ from: IPS[from], to: "192.0.2.1", protocol: 6 }, tcp(1000, 80, 2)));
const fromGateway = (to: "a" | "b", from: string) =>
  ethernet(MACS[to], MACS.gateway, IP, ipv4({ from, to: IPS[to], protocol: 6 }, tcp(80, 1000, 18)));

Deno.test("egress is a member's: one without it reaches nothing outside beside a sibling that does, and hears nothing from there", async () => {
  await using network = new Network();
  const [a, b, gateway] = [
    await network.plug("a", CLOSED_RULES),
    await network.plug("b"),
    await network.plug("gateway"),
  ];
  await a.send(toOutside("a"));
  await b.send(toOutside("b"));
  assert.deepEqual(await gateway.receive(), toOutside("b"));
  assert.equal(network.counters("a").dropped["egress-off"], 1);
  // Answers from outside; a forwarded connection, which comes from .1, goes on.
  await gateway.send(fromGateway("a", "192.0.2.1"), fromGateway("a", "10.88.0.1"), fromGateway("b", "192.0.2.1"));
  assert.deepEqual(await a.receive(), fromGateway("a", "10.88.0.1"));
  assert.deepEqual(await b.receive(), fromGateway("b", "192.0.2.1"));
  assert.equal(network.counters("a").dropped["egress-off"], 2);
  // Replies to that connection pass, too: anything but an opening segment.
  const reply = ethernet(MACS.gateway, MACS.a, IP, ipv4({ to: "10.88.0.1", protocol: 6 }, tcp(22, 1000, 18)));
  await a.send(reply);
  assert.deepEqual(await gateway.receive(), reply);
});

Deno.test("a member's rules change while it is connected, stay over a new connection, and are closed for a new name", async () => {
  await using network = new Network();
  const [a, gateway] = [await network.plug("a", CLOSED_RULES), await network.plug("gateway")];
  const toHost = ethernet(MACS.gateway, MACS.a, IP, ipv4({ to: "10.88.0.1", protocol: 6 }, tcp(1000, 80, 2)));
  network.switch.setRules("a", { egress: true, hostAccess: false });
  await a.send(toHost, toOutside("a"));
  assert.deepEqual(await gateway.receive(), toOutside("a"));
  const [near, far] = await socketPair();
  const again = new Guest(near);
  network.guests.push(again);
  network.switch.addPort(far, { name: "a", role: "member", mac: MACS.a, ip: IPS.a });
  network.switch.setRules("a", { egress: false, hostAccess: true });
  await again.send(toOutside("a"), toHost);
  assert.deepEqual(await gateway.receive(), toHost);
  network.switch.removePort("a");
  const [anew, other] = await socketPair();
  network.guests.push(new Guest(anew));
  network.switch.addPort(other, { name: "a", role: "member", mac: MACS.a, ip: IPS.a });
  await network.guests.at(-1)!.send(
    toOutside("a"),
    toHost,
    ethernet(MACS.all, MACS.a, ARP, arp({ targetIp: "10.88.0.1" })),
  );
  assert.equal((await gateway.receive())?.length, 42, "the ARP broadcast is the first that comes");
  assert.equal(network.counters("a").dropped["egress-off"], 1);
  assert.equal(network.counters("a").dropped["gateway-closed"], 1);
});

Deno.test("an outside name is refused for a member without egress, and passed on for one with it; both resolve members' names", async () => {
  const dns = new DnsResponder({ lookup: (name) => name === "b" ? IPS.b : undefined, nameOf: () => undefined });
  await using network = new Network({ dns });
  const [a, b, gateway] = [
    await network.plug("a", CLOSED_RULES),
    await network.plug("b"),
    await network.plug("gateway"),
  ];
  const inside = [1, 98, 0, 0, 1, 0, 1], outside = [1, 98, 3, 99, 111, 109, 0, 0, 1, 0, 1];
  const ask = (from: "a" | "b", name: number[]) =>
    ethernet(
      MACS.dns,
      MACS[from],
      IP,
      ipv4(
        { from: IPS[from], to: "10.88.0.3" },
        udp(1000, 53, Uint8Array.of(0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...name)),
      ),
    );
  const code = (reply: Uint8Array | undefined) => reply![14 + 20 + 8 + 3] & 15;
  await a.send(ask("a", outside), ask("a", inside));
  await b.send(ask("b", outside), ask("b", inside));
  assert.equal(code(await a.receive()), 5, "REFUSED");
  assert.equal(code(await a.receive()), 0);
  assert.equal(code(await b.receive()), 0);
  assert.deepEqual(await gateway.receive(), ask("b", outside), "the one question that went on");
});
