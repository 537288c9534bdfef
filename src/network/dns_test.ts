import * as assert from "#assert";
import { Buffer } from "node:buffer";
import fc from "fast-check";
// @ts-types="@types/dns-packet"
import * as packets from "dns-packet";
import type { Answer, DecodedPacket, RecordType } from "dns-packet";
import { DnsResponder } from "./dns.ts";
import { parseQuestion } from "./dns_message.ts";
import { type DnsAnswer, dnsMessage, dnsReply, isDnsQuestion } from "./dns_frame.ts";
import { checksum, ethernet, IPS, ipv4, MACS, octets, udp } from "./testing.ts";

type Reply = DecodedPacket & { rcode: string };

const MEMBERS = new Map([["a", IPS.a], ["b", IPS.b], ["web-1", IPS.c]]);

function responder(egress: boolean): { respond: (message: Uint8Array) => DnsAnswer } {
  const dns = new DnsResponder({
    lookup: (name) => MEMBERS.get(name),
    nameOf: (address) => [...MEMBERS].find((entry) => entry[1] === address)?.[0],
  });
  return { respond: (message) => dns.respond(message, egress, "a") };
}

function query(name: string, type = "A", more: Partial<packets.Packet> = {}): Uint8Array {
  const questions = [{ name, type: type as RecordType }];
  return packets.encode({ type: "query", id: 4711, flags: packets.RECURSION_DESIRED, questions, ...more });
}

function ask(message: Uint8Array, egress = true): Reply | Exclude<DnsAnswer, Uint8Array> {
  const answer = responder(egress).respond(message);
  return typeof answer === "string" ? answer : packets.decode(Buffer.from(answer)) as Reply;
}

function askFor(name: string, type?: string, egress = true): Reply {
  const reply = ask(query(name, type), egress);
  if (typeof reply === "string") throw new Error(`${name}: ${reply}`);
  assert.equal(reply.id, 4711);
  assert.equal(reply.type, "response");
  assert.equal(reply.flag_rd, true);
  assert.equal(reply.questions![0].name, name);
  return reply;
}

Deno.test("a member's name has its address: alone, in the domain, in any case", () => {
  for (const egress of [true, false]) {
    for (const name of ["b", "B", "b.fleetbox.internal", "b.FleetBox.Internal"]) {
      const { rcode, answers, flag_aa } = askFor(name, "A", egress);
      assert.equal(rcode, "NOERROR");
      assert.equal(flag_aa, true);
      assert.deepEqual(
        answers!.map(({ name, data, ttl }: Answer & { data?: unknown; ttl?: number }) => ({ name, data, ttl })),
        [
          { name, data: IPS.b, ttl: 0 },
        ],
      );
    }
  }
});

Deno.test("a member that a fault cuts off has neither a name nor an address: a question gets no answer", () => {
  const isCut = (one: string, other: string) => [one, other].sort().join() === "a,b";
  const dns = new DnsResponder({
    lookup: (name, asker) => isCut(name, asker) ? "cut-off" : MEMBERS.get(name),
    nameOf: (address, asker) => address === IPS.b && isCut("b", asker) ? "cut-off" : "b",
  });
  const reverse = `${IPS.b.split(".").reverse().join(".")}.in-addr.arpa`;
  for (const [name, type] of [["b", "A"], ["b", "AAAA"], ["b.fleetbox.internal", "ANY"], [reverse, "PTR"]]) {
    assert.equal(dns.respond(query(name, type), true, "a"), "cut-off", name);
    assert.notEqual(dns.respond(query(name, type), true, "c"), "cut-off", name);
  }
});

Deno.test("other types of a member's name exist and are empty; ANY gives the address", () => {
  for (const type of ["AAAA", "MX", "TXT", "SOA", "NS", "UNKNOWN_65", "AXFR"]) {
    const { rcode, answers } = askFor("web-1", type);
    assert.deepEqual([rcode, answers], ["NOERROR", []], type);
  }
  assert.equal(askFor("web-1", "ANY").answers!.length, 1);
  assert.deepEqual([askFor("fleetbox.internal").rcode, askFor("fleetbox.internal").answers], ["NOERROR", []]);
});

Deno.test("a name of the group's domain that is not a member's does not exist, and is never asked outside", () => {
  for (const egress of [true, false]) {
    for (
      const name of [
        "x",
        "localhost",
        "x.fleetbox.internal",
        "a.b.fleetbox.internal",
        "b.fleetbox.internal.fleetbox.internal",
      ]
    ) {
      assert.equal(askFor(name, "A", egress).rcode, "NXDOMAIN", name);
    }
  }
});

Deno.test("addresses of members have names; others in 10.88/16 do not", () => {
  const [pointer] = askFor("12.0.88.10.in-addr.arpa", "PTR").answers!;
  assert.equal((pointer as { data: string }).data, "b.fleetbox.internal");
  assert.deepEqual(askFor("12.0.88.10.in-addr.arpa", "A").answers, []);
  for (
    const name of [
      "1.0.88.10.in-addr.arpa",
      "12.1.88.10.in-addr.arpa",
      "x.12.0.88.10.in-addr.arpa",
      "999.0.88.10.in-addr.arpa",
    ]
  ) {
    assert.equal(askFor(name, "PTR").rcode, "NXDOMAIN", name);
  }
});

Deno.test("other names go on with egress, and are refused without", () => {
  for (
    const name of [
      "example.com",
      "b.example.com",
      "fleetbox.internal.com",
      "xfleetbox.internal",
      "1.1.1.10.in-addr.arpa",
      ".",
    ]
  ) {
    assert.equal(ask(query(name)), "pass", name);
    const { rcode, flag_aa, flag_ra } = askFor(name, "A", false);
    assert.deepEqual([rcode, flag_aa, flag_ra], ["REFUSED", false, false], name);
  }
});

Deno.test("EDNS is answered with EDNS, and only then; another version is BADVERS", () => {
  const opt = (ednsVersion: number, options: packets.PacketOpt[] = []) => ({ ...EDNS, ednsVersion, options });
  assert.deepEqual(askFor("b").additionals, []);
  const cookie = { code: 10, data: Buffer.alloc(8) } as unknown as packets.PacketOpt;
  const polite = ask(query("b", "A", { additionals: [opt(0, [cookie])] })) as Reply;
  assert.equal(polite.answers!.length, 1);
  const ours = polite.additionals![0] as packets.OptAnswer;
  assert.deepEqual([ours.type, ours.udpPayloadSize, ours.options], ["OPT", 1232, []]);
  const newer = ask(query("b", "A", { additionals: [opt(1)] })) as Reply;
  assert.deepEqual([newer.rcode, (newer.additionals![0] as packets.OptAnswer).extendedRcode], ["NOERROR", 1]);
});

Deno.test("answers, short messages and other operations get what they deserve", () => {
  const plain = query("b");
  const edit = (...changes: [number, number][]) => {
    const bytes = Uint8Array.from(plain);
    for (const [at, value] of changes) bytes[at] = value;
    return bytes;
  };
  const codeOf = (message: Uint8Array) => {
    const reply = ask(message);
    return typeof reply === "string" ? reply : reply.rcode;
  };
  assert.equal(codeOf(new Uint8Array()), "drop");
  assert.equal(codeOf(plain.slice(0, 11)), "drop");
  assert.equal(codeOf(edit([2, 0x81])), "drop");
  assert.equal(codeOf(edit([2, 0x28])), "NOTIMP");
  assert.equal(codeOf(edit([5, 0])), "FORMERR");
  assert.equal(codeOf(edit([5, 2])), "FORMERR");
  assert.equal(codeOf(edit([4, 0xff], [5, 0xff])), "FORMERR");
  assert.equal(codeOf(edit([7, 1])), "FORMERR");
  assert.equal(codeOf(edit([9, 1])), "FORMERR");
  assert.equal(codeOf(edit([10, 0xff])), "FORMERR");
  assert.equal(codeOf(plain.slice(0, 14)), "FORMERR");
  assert.equal(codeOf(plain.slice(0, -1)), "FORMERR");
  assert.equal(codeOf(Uint8Array.from([...plain.slice(0, 12), 0xc0, 12, 0, 1, 0, 1])), "FORMERR", "a loop");
  assert.equal(
    codeOf(Uint8Array.from([...plain.slice(0, 12), 1, 97, 0xc0, 12, 0, 1, 0, 1])),
    "FORMERR",
    "a longer loop",
  );
  assert.equal(codeOf(edit([plain.length - 1, 3])), "REFUSED", "another class");
});

Deno.test("a name that is not text is not a member's, and its question is repeated correctly", () => {
  const labels = (...parts: number[][]) =>
    Uint8Array.from([...query("b").slice(0, 12), ...parts.flatMap((part) => [part.length, ...part]), 0, 0, 1, 0, 1]);
  const text = (value: string) => [...new TextEncoder().encode(value)];
  // One label "b.fleetbox" in "internal": reads like b.fleetbox.internal, and is not.
  const dotted = labels(text("b.fleetbox"), text("internal"));
  assert.equal(responder(true).respond(dotted), "pass");
  for (const [message, code] of [[dotted, 5], [labels([0xff, 0xfe, 0x80]), 3], [labels(text("b.")), 3]] as const) {
    const reply = responder(false).respond(message);
    assert.ok(reply instanceof Uint8Array);
    assert.deepEqual([reply.slice(12), reply[3] & 15], [message.slice(12), code]);
  }
});

Deno.test("a question is read as dns-packet reads it, with the records behind it", () => {
  const label = fc.string({ unit: fc.constantFrom(..."abcXYZ019-_"), minLength: 1, maxLength: 63 });
  const names = fc.array(label, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("."));
  const types = fc.constantFrom("A", "PTR", "MX", "ANY");
  fc.assert(fc.property(names, types, fc.option(fc.nat(255)), fc.boolean(), (name, type, ednsVersion, isFirst) => {
    const opt = { ...EDNS, ednsVersion: ednsVersion ?? 0 };
    const other: Answer = { type: "A", name, ttl: 1, class: "IN", data: "1.2.3.4" }; // its name is a pointer or not
    const additionals = ednsVersion === null ? [other] : isFirst ? [opt, other] : [other, opt];
    const question = parseQuestion(query(name, type, { additionals }));
    const end = 12 + name.length + 2 + 4;
    const code = { A: 1, PTR: 12, MX: 15, ANY: 255 }[type as "A"];
    assert.deepEqual({ edns: undefined, ...question }, {
      name,
      type: code,
      class: 1,
      end,
      edns: ednsVersion ?? undefined,
    });
  }));
  const twice = query("b", "A", { additionals: [EDNS, EDNS] });
  assert.equal(parseQuestion(twice), undefined, "two EDNS records");
});

const EDNS: Answer = {
  type: "OPT",
  name: ".",
  udpPayloadSize: 4096,
  extendedRcode: 0,
  ednsVersion: 0,
  flags: 0,
  flag_do: false,
  options: [],
};

Deno.test("no message makes it throw, answer an answer, or say more than it was asked", () => {
  const seeds = [
    query("b"),
    query("b.fleetbox.internal", "ANY"),
    query("12.0.88.10.in-addr.arpa", "PTR"),
    query("example.com", "TXT"),
    query("b", "A", {
      additionals: [EDNS],
    }),
  ];
  const mutated = fc.tuple(
    fc.constantFrom(...seeds),
    fc.array(fc.tuple(fc.nat(60), fc.nat(255)), { maxLength: 5 }),
    fc.uint8Array({ maxLength: 8 }),
    fc.nat(80),
  ).map(([seed, changes, tail, cut]) => {
    const bytes = Uint8Array.from([...seed.slice(0, cut > 40 ? seed.length : cut), ...tail]);
    for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
    return bytes;
  });
  const both = [responder(true), responder(false)];
  fc.assert(
    fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 100 })), fc.boolean(), (message, egress) => {
      const copy = message.slice();
      const answer = both[egress ? 0 : 1].respond(message);
      assert.deepEqual(message, copy, "the question is not changed");
      if (answer === "pass") assert.ok(egress);
      if (typeof answer === "string") return;
      assert.ok((message[2] & 0x80) === 0);
      assert.ok(answer.length <= message.length + 300);
      assert.deepEqual([answer[0], answer[1], answer[2] & 0x80], [message[0], message[1], 0x80]);
    }),
    { numRuns: 15_000 },
  );
});

Deno.test("a question's frame is recognized, and its answer's frame is right", () => {
  const message = query("b");
  for (const options of [0, 8]) {
    const frame = ethernet(MACS.dns, MACS.a, 0x0800, ipv4({ to: "10.88.0.3", options }, udp(5353, 53, message)));
    assert.ok(isDnsQuestion(frame, 0, frame.length));
    assert.deepEqual(dnsMessage(frame, 0, frame.length), Uint8Array.from(message));
    const answer = responder(true).respond(message) as Uint8Array;
    const reply = dnsReply(frame, 0, answer).slice(4);
    assert.deepEqual([...reply.slice(0, 12)], [...frame.slice(6, 12), 0x52, 0x55, 0x0a, 0x58, 0, 3]);
    assert.deepEqual([...reply.slice(26, 34)], [...octets("10.88.0.3"), ...octets(IPS.a)]);
    assert.deepEqual(checksum(reply.slice(14, 34)), [0, 0], "the IPv4 checksum");
    const length = reply.length - 34;
    const pseudo = [...reply.slice(26, 34), 0, 17, length >> 8, length & 255];
    assert.deepEqual(checksum(Uint8Array.from([...pseudo, ...reply.slice(34)])), [0, 0], "the UDP checksum");
    assert.deepEqual([...reply.slice(34, 38)], [0, 53, 5353 >> 8, 5353 & 255]);
    assert.deepEqual([...reply.slice(42)], [...answer]);
  }
});

Deno.test("fragments, TCP, other ports, other addresses and cut frames are no questions", () => {
  const frame = (fields: Parameters<typeof ipv4>[0], payload = udp(1, 53, new Uint8Array(20))) =>
    ethernet(MACS.dns, MACS.a, 0x0800, ipv4({ to: "10.88.0.3", ...fields }, payload));
  const none = [
    frame({ fragment: 0x2000 }),
    frame({ fragment: 1 }),
    frame({ protocol: 6 }),
    frame({ to: "10.88.0.1" }),
    frame({}, udp(53, 54)),
    frame({}).slice(0, 41),
    ethernet(MACS.dns, MACS.a, 0x86dd, new Uint8Array(60)),
  ];
  for (const each of none) assert.equal(isDnsQuestion(each, 0, each.length), false);
  assert.ok(isDnsQuestion(frame({ fragment: 0x4000 }), 0, frame({}).length));
});

Deno.test("a datagram whose lengths or checksum are wrong holds no message", () => {
  const good = ethernet(MACS.dns, MACS.a, 0x0800, ipv4({ to: "10.88.0.3" }, udp(1, 53, new Uint8Array(20))));
  const edit = (at: number, value: number) => good.map((byte, index) => index === at ? value : byte);
  const read = (frame: Uint8Array) => dnsMessage(frame, 0, frame.length);
  assert.equal(read(good)?.length, 20);
  assert.equal(read(edit(39, 7)), undefined, "shorter than its header");
  assert.equal(read(edit(39, 29)), undefined, "longer than the packet");
  assert.equal(read(edit(17, 49)), undefined, "a packet longer than the frame");
  assert.equal(read(edit(41, 1)), undefined, "a wrong checksum");
});

Deno.test("no frame makes the path from question to answer throw", () => {
  const good = ethernet(MACS.dns, MACS.a, 0x0800, ipv4({ to: "10.88.0.3" }, udp(1, 53, query("b"))));
  const dns = responder(true);
  let answered = 0;
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { maxLength: 3 }),
      fc.nat(60),
      (changes, cut) => {
        const frame = good.slice(0, Math.max(14, good.length - Math.max(0, cut - 30)));
        for (const [at, value] of changes) if (at < frame.length) frame[at] = value;
        if (!isDnsQuestion(frame, 0, frame.length)) return;
        const message = dnsMessage(frame, 0, frame.length);
        const answer = message && dns.respond(message);
        if (answer instanceof Uint8Array) answered += dnsReply(frame, 0, answer).length > 0 ? 1 : 0;
      },
    ),
    { numRuns: 10_000 },
  );
  assert.ok(answered > 500, `only ${answered} were answered: the mutations are too wild`);
});
