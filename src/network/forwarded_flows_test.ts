/** What may pass the guard because it came through a port forward, or answers what did. */

import * as assert from "#assert";
import { verdictName } from "./counters.ts";
import { ForwardedFlows } from "./forwarded_flows.ts";
import { checkGateway, checkToMember } from "./guard.ts";
import { SUBNET } from "./subnet.ts";
import { ethernet, IPS, ipv4, MACS, tcp, udp } from "./testing.ts";

const IP = 0x0800;
const SYN = 2, ACK = 16;
const GATEWAY = SUBNET.gateway;
const OTHER_HOST = "192.0.2.7";

/** A header of UDP is the shorter one. */
const protocolOf = (packet: Uint8Array) => packet.length === 8 ? 17 : 6;

function member() {
  let now = 0;
  const flows = new ForwardedFlows(IPS.a, () => now);
  const rules = { egress: false, hostAccess: false, flows };
  const toMember = (from: string, packet: Uint8Array) => {
    const frame = ethernet(MACS.a, MACS.gateway, IP, ipv4({ from, to: IPS.a, protocol: protocolOf(packet) }, packet));
    return verdictName(checkToMember(frame, 0, frame.length, rules));
  };
  const toGateway = (to: string, packet: Uint8Array, from: string = IPS.a) => {
    const frame = ethernet(MACS.gateway, MACS.a, IP, ipv4({ from, to, protocol: protocolOf(packet) }, packet));
    return verdictName(checkGateway(frame, 0, frame.length, rules));
  };
  return { flows, toMember, toGateway, wait: (ms: number) => now += ms };
}

Deno.test("a guest answers by UDP those who asked its forwarded port, from that port, and nobody else", () => {
  const { flows, toMember, toGateway, wait } = member();
  flows.set([{ isUdp: true, port: 53, isPublic: false }]);
  assert.equal(toGateway(GATEWAY, udp(53, 4000)), "gateway-closed", "before it was asked");
  assert.equal(toMember(GATEWAY, udp(4000, 53)), "pass");
  assert.equal(toGateway(GATEWAY, udp(53, 4000)), "pass");
  assert.equal(toGateway(GATEWAY, udp(53, 4001)), "gateway-closed", "another port of the host");
  assert.equal(toGateway(GATEWAY, udp(54, 4000)), "gateway-closed", "from another port");
  assert.equal(toGateway(GATEWAY, udp(53, 4000), IPS.nobody), "gateway-closed", "from another address");
  assert.equal(toGateway(OTHER_HOST, udp(53, 4000)), "egress-off");
  assert.equal(toMember(OTHER_HOST, udp(4000, 53)), "egress-off", "the forward is of the loopback");
  assert.equal(toMember(GATEWAY, udp(4002, 99)), "pass");
  assert.equal(toGateway(GATEWAY, udp(99, 4002)), "gateway-closed", "a port without a forward");

  wait(179_000);
  assert.equal(toGateway(GATEWAY, udp(53, 4000)), "pass");
  wait(2_000);
  assert.equal(toGateway(GATEWAY, udp(53, 4000)), "gateway-closed", "its own datagrams keep nothing open");
  toMember(GATEWAY, udp(4000, 53));
  flows.set([]);
  assert.equal(toGateway(GATEWAY, udp(53, 4000)), "gateway-closed", "the forward was removed");
});

Deno.test("other hosts reach a member without egress by a forward for them: connections that they begin", () => {
  const { flows, toMember, toGateway } = member();
  flows.set([{ isUdp: false, port: 80, isPublic: true }, { isUdp: true, port: 53, isPublic: true }]);
  assert.equal(toMember(OTHER_HOST, tcp(5000, 80, ACK)), "egress-off", "none has begun");
  assert.equal(toMember(OTHER_HOST, tcp(5000, 80, SYN)), "pass");
  assert.equal(toGateway(OTHER_HOST, tcp(80, 5000, SYN | ACK)), "pass");
  assert.equal(toMember(OTHER_HOST, tcp(5000, 80, ACK)), "pass");
  assert.equal(toGateway(OTHER_HOST, tcp(80, 5000, SYN)), "egress-off", "the guest begins none");
  assert.equal(toGateway(OTHER_HOST, tcp(80, 5001, ACK)), "egress-off");
  assert.equal(toMember(OTHER_HOST, tcp(5000, 81, SYN)), "egress-off");
  assert.equal(toMember(OTHER_HOST, udp(5000, 53)), "pass");
  assert.equal(toGateway(OTHER_HOST, udp(53, 5000)), "pass");
});

Deno.test("of too many peers the one that was silent for longest is forgotten", () => {
  const { flows, toMember, toGateway } = member();
  flows.set([{ isUdp: true, port: 53, isPublic: false }]);
  for (let port = 1; port <= 4096; port++) toMember(GATEWAY, udp(port, 53));
  toMember(GATEWAY, udp(1, 53));
  toMember(GATEWAY, udp(5000, 53));
  assert.deepEqual([1, 2, 3, 5000].map((port) => toGateway(GATEWAY, udp(53, port))), [
    "pass",
    "gateway-closed",
    "pass",
    "pass",
  ]);
});
