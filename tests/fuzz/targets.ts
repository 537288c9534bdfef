/**
 * Every reader of bytes that fleetbox did not write, and what it must do with any bytes.
 *
 * A check throws when the reader throws an undocumented error, gives a wrong answer, or reads on
 * where nothing is. `run.ts` also checks that no case takes a second of processor time and that memory does not grow.
 */

import * as assert from "#assert";
import { Buffer } from "node:buffer";
// @ts-types="@types/dns-packet"
import * as packets from "dns-packet";
import fc from "fast-check";
import { byteLength } from "../../src/core/bytes.ts";
import { FleetboxError } from "../../src/core/errors.ts";
import { parseSession } from "../../src/guest/cloud_init.ts";
import { seedFiles } from "../../src/guest/seed.ts";
import { printable } from "../../src/core/printable.ts";
import { runnerNames } from "../../src/holder.ts";
import { LineSplitter } from "../../src/core/lines.ts";
import { checkName, isName } from "../../src/core/names.ts";
import { verdictName } from "../../src/network/counters.ts";
import { DnsResponder } from "../../src/network/dns.ts";
import { dnsArpReply, dnsMessage, dnsReply, isDnsQuestion } from "../../src/network/dns_frame.ts";
import { FRAME, FrameReader, GARBAGE, MAX_FRAME } from "../../src/network/frame.ts";
import { parseUsernet } from "../../src/vmm/qemu/gateway.ts";
import { checkFromGateway, checkGateway, checkSource, isGratuitousArp } from "../../src/network/guard.ts";
import { MacTable } from "../../src/network/macs.ts";
import { type Duplex, Switch } from "../../src/network/switch.ts";
import { arp, ethernet, IPS, ipv4, MACS, tcp, udp } from "../../src/network/testing.ts";
import { parseMac } from "../../src/network/macs.ts";
import { parseOptions, parseSizeMiB } from "../../src/core/options.ts";
import { parseConfig, parseGroupRecord } from "../../src/store.ts";
import { membersIn, parseCheckpoint, parseTemplate } from "../../src/store/snapshots/manifests.ts";
import { readLines } from "../../src/system/sockets.ts";
import { decodeMessage } from "../../src/vmm/qemu/qmp.ts";
import { machineEvent, machineState } from "../../src/vmm/qemu/machine.ts";
import * as wire from "../../src/wire.ts";
import { foreignAgent } from "./agent.ts";
import { bytesLike, cuts, like, pieces, text } from "./foreign.ts";
import { traces } from "./traces.ts";

export interface Target<T = unknown> {
  name: string;
  /** How many of 1,000 cases are for this one. */
  share: number;
  arbitrary: fc.Arbitrary<T>;
  check(value: T): void | Promise<void>;
}

const target = <T>(one: Target<T>) => one as unknown as Target;

/** Runs a reader that may refuse its input, with its documented error alone. */
function refuses<T>(read: () => T, ...classes: (new (...args: never[]) => Error)[]): T | undefined {
  try {
    return read();
  } catch (thrown) {
    if (classes.some((one) => thrown instanceof one)) return undefined;
    throw thrown;
  }
}

const utf8 = new TextEncoder();

const request = fc.oneof(
  like({ op: "add", name: "b", options: { cpus: 1, fixtures: [] }, wait: true }, {
    op: "stop",
    force: true,
    grace_ms: 5,
  }),
  fc.tuple(fc.constantFrom("status", "stop", "bind", "addmember ", "stat", "statusx", ""), text).map((parts) =>
    parts.join("")
  ),
  text,
);

const requests = target({
  name: "requests",
  share: 190,
  arbitrary: fc.tuple(
    request,
    fc.constantFrom("", "\n", "\r\n", "\nmore"),
    cuts,
    fc.uint8Array({ maxLength: 3 }),
    fc.nat(9),
  ),
  check([line, end, at, noise, isNoisy]) {
    const reader = new wire.RequestReader();
    const all = isNoisy === 0
      ? Uint8Array.from([...utf8.encode(line), ...noise, ...utf8.encode(end)])
      : utf8.encode(line + end);
    for (const piece of pieces(all, at)) if (["done", "too-long"].includes(reader.push(piece))) break;
    const decoded = wire.decodeRequest(reader.text());
    if (decoded.kind === "json") {
      if (decoded.request.op === "add") {
        refuses(() => checkName((decoded.request as { name: string }).name), FleetboxError);
      }
      const options = (decoded.request as { options?: unknown }).options;
      refuses(() => parseOptions(JSON.stringify(options ?? {})), FleetboxError);
    }
    if (decoded.kind === "unknown") assert.ok(byteLength(wire.refusalOf(decoded)) <= 600);
    if (decoded.kind === "addmember") {
      assert.ok(byteLength(wire.addReply(new Error(decoded.name))) <= wire.MAX_ADD_REPLY_BYTES);
    }
  },
});

const report = { name: "a", pid: 7, running: true, ip: "10.88.0.11", state: "running", stage: "ssh", cpus: 1 };
const failure = { code: "failed", message: "no", causes: ["because", "of"], hint: "do" };

const replies = target({
  name: "replies",
  share: 130,
  arbitrary: fc.tuple(
    fc.array(
      fc.oneof(
        like(report, failure, { event: "member", member: report }, { event: "gone", name: "a" }, {
          event: "error",
          ...failure,
        }),
        text,
      ),
      { maxLength: 3 },
    ),
    cuts,
  ),
  async check([lines, at]) {
    const stream = pieces(lines.join("\n"), at).filter((piece) => piece !== "");
    const read = () => Promise.resolve(stream.shift() ?? "");
    for await (const line of readLines({ read })) {
      refuses(() => wire.decodeStatus(line), SyntaxError, TypeError);
      const event = refuses(() => wire.decodeEvent(line), FleetboxError, TypeError);
      if (event?.event === "member") assert.equal(typeof event.member.name, "string");
      const reply = refuses(() => wire.decodeReply(line), TypeError);
      refuses(() => wire.throwIfError(reply), FleetboxError);
    }
  },
});

const qmp = target({
  name: "QMP",
  share: 130,
  arbitrary: fc.oneof(
    like(
      { QMP: { version: { qemu: { major: 7, minor: 2, micro: 22 } }, capabilities: [] } },
      { return: { status: "running" }, id: 1 },
      { error: { class: "GenericError", desc: "no" }, id: 1 },
      { event: "SHUTDOWN", data: { guest: true, reason: "x" }, timestamp: { seconds: 1, microseconds: 2 } },
      { event: "BLOCK_IO_ERROR", data: { device: "", operation: "write", action: "stop", nospace: true, reason: "r" } },
    ),
    text,
  ),
  check(line) {
    const message = refuses(() => decodeMessage(line), FleetboxError);
    if (message?.kind === "event") {
      const event = machineEvent(message.event);
      if (event?.kind === "ioError") {
        assert.ok([event.message, event.volume, event.operation].every((one) => typeof one === "string"));
      }
      if (event?.kind === "shutdown") assert.equal(typeof event.reason, "string");
    }
    if (message?.kind === "greeting") assert.ok(message.version.every((one) => typeof one === "number"));
    if (message?.kind === "reply" && message.error) assert.equal(typeof message.error.desc, "string");
    machineState(line);
  },
});

const USERNET = "  TCP[HOST_FORWARD]  12       127.0.0.1 38743      10.88.0.11    22     0     0";

const monitor = target({
  name: "the gateway's monitor",
  share: 40,
  arbitrary: fc.array(fc.oneof(fc.constantFrom(USERNET, " ", "\n", "TCP[HOST_FORWARD]", " 1", "\t", "999999"), text), {
    maxLength: 12,
  }).chain((parts) => fc.constantFrom(1, 1, 1, 200).map((times) => parts.join(" ").repeat(times))),
  check(said) {
    for (const { hostPort, port, ip } of parseUsernet(said)) {
      assert.ok(Number.isInteger(hostPort) && Number.isInteger(port) && /^[\d.]+$/.test(ip));
    }
  },
});

const length = fc.oneof(
  fc.constantFrom(0, 1, 13, 14, 60, 1514, 65_535, 65_536, 65_537, MAX_FRAME, MAX_FRAME + 1, 2 ** 31, 2 ** 32 - 1),
  fc.nat(200),
);

const frames = target({
  name: "frames in a stream",
  share: 60,
  arbitrary: fc.tuple(fc.array(length, { maxLength: 4 }), fc.array(fc.nat(70_000), { maxLength: 5 }), fc.nat(4)),
  check([lengths, at, missing]) {
    const whole = lengths.filter((each) => each <= MAX_FRAME + 1);
    const stream = new Uint8Array(whole.reduce((sum, each) => sum + each + 4, 0));
    let end = 0;
    for (const each of whole) {
      new DataView(stream.buffer).setUint32(end, each);
      end += 4 + each;
    }
    const reader = new FrameReader();
    const found: number[] = [];
    for (const piece of pieces(stream.subarray(0, stream.length - Math.min(missing, stream.length)), at)) {
      for (let rest = piece; rest.length > 0;) {
        const room = reader.room();
        assert.ok(room.length > 0 && reader.bytes.length <= 128 * 1024);
        const count = Math.min(room.length, rest.length);
        room.set(rest.subarray(0, count));
        reader.commit(count);
        rest = rest.subarray(count);
        let verdict = reader.next();
        for (; verdict === FRAME; verdict = reader.next()) found.push(reader.end - reader.from - 4);
        if (verdict === GARBAGE) return assert.ok(reader.announced > MAX_FRAME);
      }
    }
    assert.deepEqual(found, whole.slice(0, found.length));
  },
});

const IP = 0x0800, ARP = 0x0806, IP6 = 0x86dd, TAG = 0x8100;
const DNS_IP = "10.88.0.3";

const FRAMES = [
  ethernet(MACS.b, MACS.a, IP, ipv4({ from: IPS.a }, udp(1, 2))),
  ethernet(MACS.b, MACS.a, [TAG, IP], ipv4({ from: IPS.b }, udp(1, 2))),
  ethernet(MACS.gateway, MACS.a, IP, ipv4({ to: "10.88.0.1", protocol: 6 }, tcp(40_000, 22, 2))),
  ethernet(MACS.gateway, MACS.a, IP, ipv4({ to: "127.0.0.1", protocol: 6, options: 8 }, tcp(40_000, 22, 16))),
  ethernet(MACS.dns, MACS.a, IP, ipv4({ to: DNS_IP }, udp(5353, 53, new Uint8Array(20)))),
  ethernet(MACS.all, MACS.a, ARP, arp({ senderIp: IPS.b })),
  ethernet(MACS.all, MACS.a, ARP, arp({ targetIp: DNS_IP })),
  ethernet(MACS.gateway, MACS.b, IP6, new Uint8Array(40)),
  ethernet(MACS.b, MACS.nobody, 60, new Uint8Array(20).fill(0xaa)),
];
const frame = fc.oneof({ weight: 5, arbitrary: bytesLike(FRAMES, 14) }, {
  weight: 1,
  arbitrary: fc.uint8Array({ minLength: 14, maxLength: 90 }),
});

const macs = new MacTable();
const owners = { macs, addresses: new Uint8Array(256) };
for (const [mac, id] of [[MACS.gateway, 1], [MACS.dns, 1], [MACS.a, 2], [MACS.b, 3]] as const) {
  macs.assign(parseMac(mac), id);
}
owners.addresses.set([1, 0, 1], 1);
owners.addresses.set([2, 3], 11);

/** Whether a frame that passes carries its sender's own addresses, by a second and simpler reader. */
function isHonest(bytes: Uint8Array): boolean {
  const octet = (at: number) => bytes.subarray(at, at + 3).join(".") === "10.88.0" ? bytes[at + 3] : undefined;
  const type = (bytes[12] << 8) | bytes[13];
  const source = type === IP ? octet(26) : type === ARP ? octet(28) : undefined;
  const mac = [...bytes.subarray(6, 12)].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
  return ![MACS.b, MACS.gateway, MACS.dns].includes(mac as typeof MACS.b) && ![1, 3, 12].includes(source ?? 0);
}

const guard = target({
  name: "frames at the guard",
  share: 150,
  arbitrary: frame,
  check(sent) {
    const bytes = new Uint8Array(sent.length + 64).fill(0xee);
    bytes.set(sent, 32);
    const end = 32 + sent.length;
    if (checkSource(bytes, 32, end, 2, owners) === 0) {
      assert.ok(isHonest(sent), "a frame with another's address passes");
    }
    verdictName(checkFromGateway(bytes, 32, 1, owners));
    isGratuitousArp(bytes, 32, end);
    for (const egress of [true, false]) {
      const verdict = checkGateway(bytes, 32, end, { egress, hostAccess: false });
      if (verdict !== 0 || sent[12] !== 8 || sent[13] !== 0) continue;
      const [a, b, c, d] = sent.subarray(30, 34);
      assert.ok(a !== 127 && a !== 0 && a < 240 || (a === 255 && d === 255), "the host's loopback");
      if (a === 10 && b === 88 && c === 0) assert.ok(d === 1 || d === 3, "an address that libslirp takes for the host");
    }
  },
});

const query = (name: string, type: string) =>
  Uint8Array.from(packets.encode({
    type: "query",
    id: 7,
    flags: packets.RECURSION_DESIRED,
    questions: [{ name, type: type as "A", class: "IN" }],
  }));
const QUESTIONS = [
  query("b", "A"),
  query("b.fleetbox.internal", "ANY"),
  query("12.0.88.10.in-addr.arpa", "PTR"),
  query(`${"x".repeat(63)}.${"y".repeat(63)}.com`, "TXT"),
  // A name that points at itself, one that points ahead, and one that points back for ever.
  Uint8Array.from([0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 12, 0, 1, 0, 1]),
  Uint8Array.from([0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 40, 0, 1, 0, 1]),
  Uint8Array.from([
    0,
    7,
    1,
    0,
    0,
    1,
    0,
    0,
    0,
    0,
    0,
    1,
    1,
    97,
    0xc0,
    14,
    0xc0,
    12,
    0,
    1,
    0,
    1,
    0xc0,
    12,
    0,
    41,
    0,
    0,
    0,
    0,
  ]),
];
const responder = new DnsResponder({
  lookup: (name) => name === "b" ? IPS.b : undefined,
  nameOf: (ip) => ip === IPS.b ? "b" : undefined,
});

const dns = target({
  name: "DNS questions",
  share: 140,
  arbitrary: fc.oneof({ weight: 5, arbitrary: bytesLike(QUESTIONS) }, {
    weight: 1,
    arbitrary: fc.uint8Array({ maxLength: 90 }),
  }),
  check(message) {
    for (const egress of [true, false]) {
      const answer = responder.respond(message, egress, "a");
      if (typeof answer === "string") continue;
      assert.ok((message[2] & 0x80) === 0, "an answer is answered");
      assert.ok(answer.length <= message.length + 300 && answer[0] === message[0] && answer[1] === message[1]);
    }
  },
});

const DNS_FRAMES = QUESTIONS.map((question) =>
  ethernet(MACS.dns, MACS.a, IP, ipv4({ to: DNS_IP }, udp(5353, 53, question)))
);

const dnsFrames = target({
  name: "DNS questions as frames",
  share: 40,
  arbitrary: bytesLike(DNS_FRAMES, 14),
  check(bytes) {
    dnsArpReply(bytes, 0, bytes.length);
    if (!isDnsQuestion(bytes, 0, bytes.length)) return;
    const message = dnsMessage(bytes, 0, bytes.length);
    const answer = message && responder.respond(Buffer.from(message), true, "a");
    if (answer instanceof Uint8Array) assert.ok(dnsReply(bytes, 0, answer).length > 42);
  },
});

/** A connection that yields these chunks, and accepts no writes if it is deaf. */
function duplex(chunks: Uint8Array[], isDeaf = false): Duplex {
  return {
    read(into) {
      const next = chunks.shift();
      if (next === undefined) return isDeaf ? new Promise(() => {}) : Promise.resolve(null);
      const count = Math.min(into.length, next.length);
      into.set(next.subarray(0, count));
      if (count < next.length) chunks.unshift(next.subarray(count));
      return Promise.resolve(count);
    },
    write: (from) => isDeaf ? new Promise(() => {}) : Promise.resolve(from.length),
    close() {},
  };
}

const network = target({
  name: "the whole switch",
  share: 20,
  arbitrary: fc.tuple(
    fc.array(fc.oneof(frame, bytesLike(DNS_FRAMES, 14), fc.uint8Array({ maxLength: 13 })), { maxLength: 20 }),
    cuts,
    fc.nat(9),
  ),
  async check([sent, at, garbage]) {
    const hub = new Switch({ dns: responder });
    hub.addPort(duplex([], true), { name: "b", role: "member", mac: MACS.b, ip: IPS.b });
    hub.addPort(duplex([], true), { name: "gateway", role: "gateway" });
    const stream = sent.flatMap((
      each,
    ) => [...each.length.toString(16).padStart(8, "0").match(/../g)!.map((byte) => parseInt(byte, 16)), ...each]);
    if (garbage === 0) stream.push(0xff, 0xff, 0xff, 0xff, 1, 2, 3);
    const port = hub.addPort(duplex(pieces(Uint8Array.from(stream), at)), {
      name: "a",
      role: "member",
      mac: MACS.a,
      ip: IPS.a,
    });
    const end = await port.closed;
    assert.equal(end.why, garbage === 0 ? "garbage" : "ended");
    assert.equal(port.counters.rxFrames, sent.length);
    hub.close();
  },
});

const CONFIG = {
  name: "a",
  mac: "52:54:00:00:00:0a",
  cpus: 1,
  memory_mb: 256,
  disk_mb: 1024,
  image: "micro",
  image_id: "micro-1",
  created_at: "2026-01-01T00:00:00Z",
  instance_id: "a-1",
  fixtures: [{ host_path: "/a", guest_path: "/b" }],
  ip: "10.88.0.11",
  user: "fleetbox",
  owner: { pid: 7, startTime: "8" },
  group: "0123456789ab",
};
const RECORD = {
  id: "0123456789ab",
  group: "a",
  members: ["a"],
  served: ["a"],
  running: ["a"],
  holder: { pid: 7, startTime: "8" },
  bound: false,
  egress: "on",
  host_access: false,
  hypervisors: { a: { pid: 8, startTime: "9" } },
  ssh_ports: { a: 4000 },
};

const store = target({
  name: "config.json and records",
  share: 100,
  arbitrary: fc.oneof(like(CONFIG), like(RECORD), text),
  check(file) {
    const config = refuses(() => parseConfig(file, "a"), SyntaxError, TypeError);
    if (config) {
      assert.equal(config.name, "a");
      assert.ok(Number.isSafeInteger(config.cpus) && /^[\d.]+$/.test(config.ip) && !config.user.startsWith("-"));
    }
    const record = parseGroupRecord(file);
    if (record) {
      assert.ok(record.members.every(isName) && record.holder.pid > 0 && Object.keys(record.hypervisors).every(isName));
    }
  },
});

const SAVED = {
  config: { ...CONFIG, layers: ["0123456789abcdef"], disk_file: "disk-1.qcow2" },
  host_name: "a",
  ip: CONFIG.ip,
  mac: CONFIG.mac,
  bytes: 1,
};
const MADE = { version: 1, made_at: "2026-01-01T00:00:00.000Z" };
const KEY = "0123456789abcdef";

const manifests = target({
  name: "manifests of snapshots",
  share: 60,
  arbitrary: fc.oneof(
    like({ ...MADE, key: KEY, parts: { cpus: "1" }, member: SAVED }),
    like({ ...MADE, name: "base", group: "a", members: { a: SAVED }, host: "h", based_on: "b" }),
    // The config in it is what becomes arguments and paths.
    like(SAVED.config).map((config) => {
      const whole = JSON.stringify({ ...MADE, key: KEY, parts: {}, member: { ...SAVED, config: 0 } });
      return whole.replace('"config":0', () => `"config":${config}`);
    }),
    text,
  ),
  check(file) {
    const read = [
      refuses(() => parseTemplate(file, KEY), SyntaxError, TypeError),
      refuses(() => parseCheckpoint(file, "base"), SyntaxError, TypeError),
    ];
    for (const manifest of read.filter((one) => one !== undefined)) {
      for (const { config, host_name } of membersIn(manifest)) {
        assert.ok(isName(config.name) && isName(host_name) && config.layers!.every((id) => /^[0-9a-f]{16}$/.test(id)));
        assert.ok(config.disk_file === undefined || !config.disk_file.includes("/"));
      }
    }
  },
});

const OPTIONS = {
  image: "micro",
  cpus: 2,
  mem: 0.25,
  disk: 10,
  fixtures: [{ host_path: "/a", guest_path: "/b" }],
  egress: "off",
  host_names: { "a-x7": "a" },
  owner: { pid: 7, startTime: "8" },
};

const options = target({
  name: "FLEETBOX_OPTS and sizes",
  share: 60,
  arbitrary: fc.oneof(like(OPTIONS), text),
  check(given) {
    const read = refuses(() => parseOptions(given), FleetboxError);
    if (read?.cpus !== undefined) assert.ok(Number.isInteger(read.cpus) && read.cpus > 0);
    const size = refuses(() => parseSizeMiB(given, "--memory"), FleetboxError);
    if (size !== undefined) assert.ok(size >= 0);
  },
});

const names = target({
  name: "names",
  share: 40,
  arbitrary: fc.oneof(text, fc.stringMatching(/^[a-z0-9,-]{0,70}$/)),
  check(given) {
    const taken = refuses(() => runnerNames(given), FleetboxError) ?? [];
    assert.ok(taken.every((name) => /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(name)));
    if (refuses(() => checkName(given), FleetboxError) !== undefined) assert.match(given, /^[a-z0-9-]{1,63}$/);
  },
});

const FACTS = {
  user: "fleetbox",
  mac: "52:54:00:00:00:0a",
  address: "10.88.0.11/24",
  gateway: "10.88.0.1",
  dns: "10.88.0.3",
  domain: "fleetbox.internal",
};
const SCALAR = /"(?:[^"\\]|\\.)*"/g;
const shapes = new Set(
  Object.values(seedFiles({ ...FACTS, hostName: "a", instanceId: "a", publicKey: "k" })).map((file) =>
    file.replace(SCALAR, '""')
  ),
);

const seed = target({
  name: "the seed's inputs",
  share: 40,
  arbitrary: fc.tuple(text, text, text),
  check([name, instanceId, publicKey]) {
    const files = seedFiles({ ...FACTS, hostName: name, instanceId, publicKey });
    const scalars = (file: string) => [...file.matchAll(SCALAR)].map(([scalar]) => JSON.parse(scalar));
    assert.deepEqual(scalars(files["meta-data"]), [instanceId, name]);
    assert.ok(scalars(files["vendor-data"]).includes(publicKey));
    for (const file of Object.values(files)) assert.ok(shapes.has(file.replace(SCALAR, '""')), file);
  },
});

const guestText = target({
  name: "consoles and cloud-init's results",
  share: 60,
  arbitrary: fc.tuple(
    fc.array(
      fc.oneof(
        text,
        fc.constantFrom("result\n", "\nend\n", "absent", "\x1b[", "\x1b]", "0;1", "fleetbox-micro: ssh"),
        like({ v1: { errors: ["x"] } }),
      ),
      { maxLength: 6 },
    ),
    fc.constantFrom(1, 1, 1, 100),
    cuts,
  ),
  check([parts, times, at]) {
    const said = parts.join("").repeat(times);
    const splitter = new LineSplitter({ max: 64, overlong: "cut" });
    for (const piece of pieces(said, at)) for (const line of splitter.push(piece)) assert.ok(line.length <= 64);
    // deno-lint-ignore no-control-regex
    assert.doesNotMatch(printable(said), /[\x00-\x08\x0b-\x1f\x7f-\x9f]/);
    const result = parseSession(said);
    if (result?.kind === "finished") assert.ok(result.errors.every((error) => typeof error === "string"));
  },
});

export const TARGETS: Target[] = [
  ...[
    requests,
    replies,
    qmp,
    monitor,
    frames,
    guard,
    dns,
    dnsFrames,
    network,
    store,
    manifests,
    options,
    names,
    seed,
    guestText,
    target(foreignAgent),
    target(traces),
  ],
];
