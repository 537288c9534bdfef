import * as assert from "#assert";
import fc from "fast-check";
import { parseMac } from "./macs.ts";
import { verdictName } from "./counters.ts";
import { checkFromGateway, checkGateway, checkSource, checkToMember, isGratuitousArp } from "./guard.ts";
import { MacTable } from "./macs.ts";
import { arp, ethernet, IPS, ipv4, type Ipv4Fields, MACS, tcp, udp } from "./testing.ts";

const GATEWAY_ID = 1, A = 2, B = 3;
const IP = 0x0800, ARP = 0x0806, IP6 = 0x86dd, TAG = 0x8100, OUTER_TAG = 0x88a8;
const SYN = 2, ACK = 16, RST = 4, FIN = 1;

function group() {
  const macs = new MacTable();
  const addresses = new Uint8Array(256);
  macs.assign(parseMac(MACS.gateway), GATEWAY_ID);
  macs.assign(parseMac(MACS.dns), GATEWAY_ID);
  addresses[1] = addresses[3] = GATEWAY_ID;
  macs.assign(parseMac(MACS.a), A);
  macs.assign(parseMac(MACS.b), B);
  addresses[11] = A;
  addresses[12] = B;
  return { macs, addresses };
}

/** A frame somewhere inside a larger buffer, as the switch sees it. */
function within(frame: Uint8Array): [Uint8Array, number, number] {
  const bytes = new Uint8Array(frame.length + 64).fill(0xee);
  bytes.set(frame, 32);
  return [bytes, 32, 32 + frame.length];
}

const some = new Uint8Array(20);
const packet = (from: string) => ipv4({ from }, udp(1, 2));
const snap = (type: number) => Uint8Array.from([0xaa, 0xaa, 3, 0, 0, 0, type >> 8, type & 255, ...packet(IPS.b)]);
const changed = (bytes: Uint8Array, at: number, value: number) =>
  bytes.map((byte, index) => index === at ? value : byte);

const sources: [string, Uint8Array, string][] = [
  ["its own MAC and address", ethernet(MACS.b, MACS.a, IP, packet(IPS.a)), "pass"],
  ["a MAC that nobody was given", ethernet(MACS.b, MACS.nobody, IP, packet(IPS.a)), "pass"],
  ["an address that nobody was given", ethernet(MACS.b, MACS.a, IP, packet(IPS.nobody)), "pass"],
  ["an address outside of the network", ethernet(MACS.b, MACS.a, IP, packet("192.0.2.1")), "pass"],
  ["no address yet (DHCP)", ethernet(MACS.all, MACS.a, IP, packet("0.0.0.0")), "pass"],
  ["another member's MAC", ethernet(MACS.gateway, MACS.b, IP, packet(IPS.a)), "spoofed-mac"],
  ["the gateway's MAC", ethernet(MACS.b, MACS.gateway, IP, packet(IPS.a)), "spoofed-mac"],
  ["the DNS address's MAC", ethernet(MACS.b, MACS.dns, IP, packet(IPS.a)), "spoofed-mac"],
  ["a broadcast source", ethernet(MACS.b, MACS.all, IP, packet(IPS.a)), "spoofed-mac"],
  ["a multicast source", ethernet(MACS.b, "01:00:5e:00:00:01", IP, packet(IPS.a)), "spoofed-mac"],
  ["another member's MAC in IPv6", ethernet(MACS.b, MACS.b, IP6, some), "spoofed-mac"],
  ["another member's address", ethernet(MACS.b, MACS.a, IP, packet(IPS.b)), "spoofed-ip"],
  ["another member's address with a MAC of nobody", ethernet(MACS.all, MACS.nobody, IP, packet(IPS.b)), "spoofed-ip"],
  ["the gateway's address", ethernet(MACS.b, MACS.a, IP, packet("10.88.0.1")), "spoofed-ip"],
  ["the DNS address", ethernet(MACS.b, MACS.a, IP, packet("10.88.0.3")), "spoofed-ip"],
  ["another's address in a VLAN", ethernet(MACS.b, MACS.a, [TAG, IP], packet(IPS.b)), "spoofed-ip"],
  ["another's address in two VLANs", ethernet(MACS.b, MACS.a, [OUTER_TAG, TAG, IP], packet(IPS.b)), "spoofed-ip"],
  ["its own address in two VLANs", ethernet(MACS.b, MACS.a, [OUTER_TAG, TAG, IP], packet(IPS.a)), "pass"],
  ["three VLAN tags", ethernet(MACS.b, MACS.a, [TAG, TAG, TAG, IP], packet(IPS.a)), "malformed"],
  ["a VLAN tag cut off", ethernet(MACS.b, MACS.a, TAG, new Uint8Array(3)), "malformed"],
  ["IPv4 cut off", ethernet(MACS.b, MACS.a, IP, packet(IPS.b).slice(0, 19)), "malformed"],
  ["IPv4 with a short header length", ethernet(MACS.b, MACS.a, IP, changed(packet(IPS.a), 0, 0x44)), "malformed"],
  ["IPv4 with version 6", ethernet(MACS.b, MACS.a, IP, changed(packet(IPS.a), 0, 0x65)), "malformed"],
  ["IPv4 in SNAP", ethernet(MACS.b, MACS.a, 60, snap(IP)), "malformed"],
  ["ARP in SNAP", ethernet(MACS.b, MACS.a, 60, snap(ARP)), "malformed"],
  [
    "spanning tree",
    ethernet("01:80:c2:00:00:00", MACS.a, 38, Uint8Array.from([0x42, 0x42, 3, 0, 0, 0, 0, 0, 0])),
    "pass",
  ],
  ["IPv6", ethernet(MACS.b, MACS.a, IP6, some), "pass"],
  ["an unknown type", ethernet(MACS.b, MACS.a, 0x88cc, some), "pass"],
  ["an empty frame", ethernet(MACS.b, MACS.a, 0x88cc, new Uint8Array()), "pass"],
  ["an ARP request", ethernet(MACS.all, MACS.a, ARP, arp({})), "pass"],
  ["an ARP probe", ethernet(MACS.all, MACS.a, ARP, arp({ senderIp: "0.0.0.0" })), "pass"],
  ["an ARP announcement", ethernet(MACS.all, MACS.a, ARP, arp({ targetIp: IPS.a })), "pass"],
  [
    "an announcement of a floating address",
    ethernet(MACS.all, MACS.a, ARP, arp({ senderIp: IPS.nobody, targetIp: IPS.nobody })),
    "pass",
  ],
  [
    "VRRP's own MAC in ARP",
    ethernet(MACS.all, "00:00:5e:00:01:07", ARP, arp({ senderMac: "00:00:5e:00:01:07", senderIp: IPS.nobody })),
    "pass",
  ],
  ["an ARP request as another", ethernet(MACS.all, MACS.a, ARP, arp({ senderIp: IPS.b })), "spoofed-arp"],
  ["an ARP reply as another", ethernet(MACS.c, MACS.a, ARP, arp({ operation: 2, senderIp: IPS.b })), "spoofed-arp"],
  [
    "a gratuitous ARP for the gateway",
    ethernet(MACS.all, MACS.a, ARP, arp({ senderIp: "10.88.0.1", targetIp: "10.88.0.1" })),
    "spoofed-arp",
  ],
  ["an ARP reply for DNS", ethernet(MACS.c, MACS.a, ARP, arp({ operation: 2, senderIp: "10.88.0.3" })), "spoofed-arp"],
  ["ARP with another's MAC inside", ethernet(MACS.all, MACS.a, ARP, arp({ senderMac: MACS.b })), "spoofed-arp"],
  [
    "ARP with the gateway's MAC inside",
    ethernet(MACS.all, MACS.a, ARP, arp({ senderMac: MACS.gateway })),
    "spoofed-arp",
  ],
  ["ARP with a group MAC inside", ethernet(MACS.all, MACS.a, ARP, arp({ senderMac: MACS.all })), "spoofed-arp"],
  ["ARP as another in a VLAN", ethernet(MACS.all, MACS.a, [TAG, ARP], arp({ senderIp: IPS.b })), "spoofed-arp"],
  ["ARP cut off", ethernet(MACS.all, MACS.a, ARP, arp({}).slice(0, 27)), "malformed"],
  ["ARP that is not for Ethernet", ethernet(MACS.all, MACS.a, ARP, changed(arp({}), 1, 6)), "malformed"],
  ["ARP with other address lengths", ethernet(MACS.all, MACS.a, ARP, changed(arp({}), 4, 8)), "malformed"],
];

for (const [what, frame, expected] of sources) {
  Deno.test(`a member that sends ${what}: ${expected}`, () => {
    assert.equal(verdictName(checkSource(...within(frame), A, group())), expected);
  });
}

Deno.test("the gateway may send from any MAC but a member's", () => {
  const owners = group();
  const check = (from: string) =>
    verdictName(
      checkFromGateway(
        ...within(ethernet(MACS.a, from, IP, some)).slice(0, 2) as [Uint8Array, number],
        GATEWAY_ID,
        owners,
      ),
    );
  assert.equal(check(MACS.gateway), "pass");
  assert.equal(check(MACS.nobody), "pass");
  assert.equal(check(MACS.b), "spoofed-mac");
  assert.equal(check(MACS.all), "spoofed-mac");
});

Deno.test("only ARP that announces its own address is gratuitous", () => {
  const check = (fields: Parameters<typeof arp>[0]) =>
    isGratuitousArp(...within(ethernet(MACS.all, MACS.a, ARP, arp(fields))));
  assert.ok(check({ targetIp: IPS.a }));
  assert.ok(check({ operation: 2, targetIp: IPS.a }));
  assert.ok(!check({ targetIp: IPS.b }));
  assert.ok(!check({ senderIp: "0.0.0.0", targetIp: "0.0.0.0" }));
  assert.ok(!isGratuitousArp(...within(ethernet(MACS.all, MACS.a, ARP, new Uint8Array(27)))));
});

const toGateway = (fields: Ipv4Fields, payload: Uint8Array, mac: string = MACS.gateway) =>
  ethernet(mac, MACS.a, IP, ipv4(fields, payload));
const tcpTo = (to: string, port: number, flags: number, mac?: string) =>
  toGateway({ to, protocol: 6 }, tcp(40000, port, flags), mac);
const udpTo = (to: string, port: number, mac?: string) => toGateway({ to, protocol: 17 }, udp(40000, port), mac);
const icmpTo = (to: string) => toGateway({ to, protocol: 1 }, new Uint8Array(8));
const MDNS_MAC = "01:00:5e:00:00:fb";

/** What, the frame, and the verdict: with egress, without, with egress and host access. */
const gatewayRules: [string, Uint8Array, string, string, string][] = [
  ["ARP", ethernet(MACS.all, MACS.a, ARP, arp({})), "pass", "pass", "pass"],
  ["ping to .1", icmpTo("10.88.0.1"), "pass", "pass", "pass"],
  ["ping to .3", icmpTo("10.88.0.3"), "pass", "pass", "pass"],
  ["ping to an address of nobody", icmpTo(IPS.nobody), "gateway-closed", "gateway-closed", "gateway-closed"],
  ["ping to 127.0.0.1", icmpTo("127.0.0.1"), "gateway-closed", "gateway-closed", "gateway-closed"],
  ["ping to the outside", icmpTo("192.0.2.1"), "pass", "egress-off", "pass"],
  ["DHCP by broadcast", udpTo("255.255.255.255", 67, MACS.all), "pass", "pass", "pass"],
  ["DHCP to .1", udpTo("10.88.0.1", 67), "pass", "pass", "pass"],
  ["UDP 67 to .3", udpTo("10.88.0.3", 67), "gateway-closed", "gateway-closed", "gateway-closed"],
  ["another broadcast", udpTo("255.255.255.255", 137, MACS.all), "quiet", "quiet", "quiet"],
  ["a broadcast in the network", udpTo("10.88.0.255", 137, MACS.all), "quiet", "quiet", "quiet"],
  ["UDP to 255.255.255.255 by the gateway's MAC", udpTo("255.255.255.255", 137), ...all("gateway-closed")],
  ["multicast DNS", udpTo("224.0.0.251", 5353, MDNS_MAC), ...all("quiet")],
  ["IPv6 to all", ethernet("33:33:00:00:00:01", MACS.a, IP6, some), ...all("quiet")],
  ["IPv6 to the gateway", ethernet(MACS.gateway, MACS.a, IP6, some), ...all("quiet")],
  ["IPv6 to the DNS address's MAC", ethernet(MACS.dns, MACS.a, IP6, some), ...all("quiet")],
  ["IPv6 to the gateway in a VLAN", ethernet(MACS.gateway, MACS.a, [TAG, IP6], some), ...all("gateway-closed")],
  ["a VLAN tag", ethernet(MACS.gateway, MACS.a, [TAG, IP], packet(IPS.a)), ...all("gateway-closed")],
  ["NC-SI", ethernet(MACS.gateway, MACS.a, 0x88f8, some), ...all("gateway-closed")],
  ["DNS over UDP to .3", udpTo("10.88.0.3", 53), "pass", "egress-off", "pass"],
  ["DNS over TCP to .3", tcpTo("10.88.0.3", 53, SYN), ...all("gateway-closed")],
  ["an acknowledgement to .3:53", tcpTo("10.88.0.3", 53, ACK), ...all("gateway-closed")],
  ["DNS over UDP to .1", udpTo("10.88.0.1", 53), "gateway-closed", "gateway-closed", "pass"],
  ["another port of .3 over UDP", udpTo("10.88.0.3", 123), ...all("gateway-closed")],
  ["another port of .3 over TCP", tcpTo("10.88.0.3", 22, SYN), ...all("gateway-closed")],
  ["an acknowledgement to .3:22", tcpTo("10.88.0.3", 22, ACK), ...all("gateway-closed")],
  ["a connection to .1", tcpTo("10.88.0.1", 22, SYN), "gateway-closed", "gateway-closed", "pass"],
  [
    "a connection to .1 by broadcast",
    tcpTo("10.88.0.1", 22, SYN, MACS.all),
    "gateway-closed",
    "gateway-closed",
    "pass",
  ],
  ["SYN and FIN to .1", tcpTo("10.88.0.1", 22, SYN | FIN), "gateway-closed", "gateway-closed", "pass"],
  ["SYN and RST to .1", tcpTo("10.88.0.1", 22, SYN | RST), "gateway-closed", "gateway-closed", "pass"],
  ["an answer to a forwarded connection", tcpTo("10.88.0.1", 40000, SYN | ACK), ...all("pass")],
  ["a segment to a forwarded connection", tcpTo("10.88.0.1", 40000, ACK), ...all("pass")],
  ["a reset to .1", tcpTo("10.88.0.1", 40000, RST | ACK), ...all("pass")],
  ["UDP to .1", udpTo("10.88.0.1", 161), "gateway-closed", "gateway-closed", "pass"],
  ["a connection to an address of nobody", tcpTo(IPS.nobody, 22, SYN), ...all("gateway-closed")],
  ["a segment to an address of nobody", tcpTo(IPS.nobody, 22, ACK), ...all("gateway-closed")],
  ["a connection to a member through the gateway", tcpTo(IPS.b, 22, SYN), ...all("gateway-closed")],
  ["a connection to .0", tcpTo("10.88.0.0", 22, SYN), ...all("gateway-closed")],
  ["a connection to .255", tcpTo("10.88.0.255", 22, SYN), ...all("gateway-closed")],
  ["a connection to 255.255.255.255", tcpTo("255.255.255.255", 22, SYN), ...all("gateway-closed")],
  ["a connection to 127.0.0.1", tcpTo("127.0.0.1", 22, SYN), ...all("gateway-closed")],
  ["a segment to 127.0.0.53", tcpTo("127.0.0.53", 53, ACK), ...all("gateway-closed")],
  ["a connection to 0.0.0.0", tcpTo("0.0.0.0", 22, SYN), ...all("gateway-closed")],
  ["a connection to 240.0.0.1", tcpTo("240.0.0.1", 22, SYN), ...all("gateway-closed")],
  ["a connection to the outside", tcpTo("192.0.2.1", 443, SYN), "pass", "egress-off", "pass"],
  ["UDP to the outside", udpTo("192.0.2.1", 443), "pass", "egress-off", "pass"],
  ["the neighbouring network", tcpTo("10.88.1.1", 22, SYN), "pass", "egress-off", "pass"],
  ["SCTP to .1", toGateway({ to: "10.88.0.1", protocol: 132 }, some), ...all("gateway-closed")],
  ["a first fragment to .1", fragment("10.88.0.1", 0x2000), ...all("gateway-closed")],
  ["a later fragment to .1", fragment("10.88.0.1", 0x0001), ...all("gateway-closed")],
  ["a fragment to .3", fragment("10.88.0.3", 0x2000), ...all("gateway-closed")],
  ["a fragment to 127.0.0.1", fragment("127.0.0.1", 0x2000), ...all("gateway-closed")],
  ["a fragment to the outside", fragment("192.0.2.1", 0x2000), "pass", "egress-off", "pass"],
  ["do-not-fragment to .1", fragment("10.88.0.1", 0x4000), ...all("pass")],
  ["a segment behind IPv4 options", optioned(ACK), ...all("pass")],
  ["a connection behind IPv4 options", optioned(SYN), "gateway-closed", "gateway-closed", "pass"],
  [
    "TCP cut off before its flags",
    toGateway({ to: "10.88.0.1", protocol: 6 }, tcp(1, 2, ACK).slice(0, 13)),
    ...all("malformed"),
  ],
  ["UDP cut off", toGateway({ to: "10.88.0.1", protocol: 17 }, udp(1, 67).slice(0, 7)), ...all("malformed")],
  [
    "a length that hides the flags",
    toGateway({ to: "10.88.0.1", protocol: 6, totalLength: 30 }, tcp(1, 2, ACK)),
    ...all("malformed"),
  ],
  [
    "a length beyond the frame",
    toGateway({ to: "10.88.0.1", protocol: 6, totalLength: 60 }, tcp(1, 2, ACK)),
    ...all("malformed"),
  ],
  [
    "a length below the header",
    toGateway({ to: "192.0.2.1", protocol: 6, totalLength: 19 }, tcp(1, 2, ACK)),
    ...all("malformed"),
  ],
];

function all(verdict: string): [string, string, string] {
  return [verdict, verdict, verdict];
}

function fragment(to: string, bits: number): Uint8Array {
  return toGateway({ to, protocol: 6, fragment: bits }, tcp(1, 2, ACK));
}

function optioned(flags: number): Uint8Array {
  return toGateway({ to: "10.88.0.1", protocol: 6, options: 24 }, tcp(1, 2, flags));
}

for (const [what, frame, on, off, host] of gatewayRules) {
  Deno.test(`for the gateway, ${what}: ${on}; without egress ${off}; with host access ${host}`, () => {
    const check = (egress: boolean, hostAccess: boolean) =>
      verdictName(checkGateway(...within(frame), { egress, hostAccess }));
    assert.deepEqual([check(true, false), check(false, false), check(true, true)], [on, off, host]);
  });
}

Deno.test("no bytes make the guard throw, or read another verdict from what lies around the frame", () => {
  const owners = group();
  const rules = { egress: true, hostAccess: false };
  const seeds = [...sources.map((row) => row[1]), ...gatewayRules.map((row) => row[1])];
  const mutated = fc.tuple(
    fc.constantFrom(...seeds),
    fc.array(fc.tuple(fc.nat(90), fc.nat(255)), { maxLength: 4 }),
    fc.nat(90),
  )
    .map(([seed, changes, cut]) => {
      const frame = seed.slice(0, Math.max(14, seed.length - (cut > 45 ? cut - 45 : 0)));
      for (const [at, value] of changes) if (at < frame.length) frame[at] = value;
      return frame;
    });
  fc.assert(
    fc.property(fc.oneof(mutated, fc.uint8Array({ minLength: 14, maxLength: 80 })), (frame) => {
      const [bytes, at, end] = within(frame);
      const around = bytes.map((byte, index) => index >= at && index < end ? byte : 0);
      assert.equal(checkSource(bytes, at, end, A, owners), checkSource(around, at, end, A, owners));
      assert.equal(checkGateway(bytes, at, end, rules), checkGateway(around, at, end, rules));
      const closed = { egress: false, hostAccess: false };
      assert.equal(checkToMember(bytes, at, end, closed), checkToMember(around, at, end, closed));
    }),
    { numRuns: 20_000 },
  );
});
