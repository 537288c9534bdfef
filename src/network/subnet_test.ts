import * as assert from "#assert";
import { FleetboxError } from "../core/errors.ts";
import { parseMac } from "./macs.ts";
import { SUBNET, Subnet } from "./subnet.ts";

const free = (taken: Iterable<string>) => {
  const used = new Set(taken);
  return SUBNET.lowestFree((address) => used.has(address));
};

Deno.test("a subnet says every address, MAC and zone that its base gives", () => {
  const said = ({ cidr, gateway, dns, dhcpStart, gatewayMac, dnsMac, reverseZone }: Subnet) =>
    [cidr, gateway, dns, dhcpStart, gatewayMac, dnsMac, reverseZone].join(" ");
  assert.equal(
    said(SUBNET),
    "10.88.0.0/24 10.88.0.1 10.88.0.3 10.88.0.200 52:55:0a:58:00:01 52:55:0a:58:00:03 88.10.in-addr.arpa",
  );
  const other = new Subnet("192.168.7.0");
  assert.equal(
    said(other),
    "192.168.7.0/24 192.168.7.1 192.168.7.3 192.168.7.200 52:55:c0:a8:07:01 52:55:c0:a8:07:03 168.192.in-addr.arpa",
  );
  const inside = (192 << 24) | (168 << 16) | (7 << 8) | 77;
  assert.ok((inside & other.mask) === other.bits);
  assert.ok((inside & SUBNET.mask) !== SUBNET.bits);
});

Deno.test("lowestFree() gives .11 first, fills gaps, and ignores what is no address", () => {
  assert.equal(free([]), "10.88.0.11");
  assert.equal(free(["10.88.0.11", "10.88.0.13"]), "10.88.0.12");
  assert.equal(free(["", "10.88.0.011", "192.168.0.11"]), "10.88.0.11");
});

Deno.test("lowestFree() stops at .199, below the DHCP pool; so many are a group's limit", () => {
  const taken: string[] = [];
  for (let count = 0; count < SUBNET.capacity; count++) taken.push(free(taken));
  assert.equal(taken.at(-1), "10.88.0.199");
  assert.equal(SUBNET.capacity, 189);
  assert.throws(() => free(taken), (thrown: FleetboxError) => thrown.code === "conflict");
});

Deno.test("isMemberAddress() takes only what lowestFree() could give", () => {
  for (const address of ["10.88.0.11", "10.88.0.199"]) assert.ok(SUBNET.isMemberAddress(address), address);
  const others = [
    "10.88.0.10",
    "10.88.0.200",
    "10.88.0.1",
    "10.88.1.11",
    "10.88.0.011",
    "10.88.0.11 ",
    "10.88.0.",
    "b",
  ];
  for (const address of others) assert.ok(!SUBNET.isMemberAddress(address), address);
});

Deno.test("a member's MAC follows from its slot: local, unicast, and no two are the same", () => {
  assert.equal(SUBNET.macOf("10.88.0.11"), "52:54:00:58:00:0b");
  assert.equal(SUBNET.macOf("10.88.0.199"), "52:54:00:58:00:c7");
  assert.equal(parseMac(SUBNET.macOf("10.88.0.11"))[0] & 0b11, 0b10);
  const macs = new Set(Array.from({ length: 256 }, (_, slot) => SUBNET.macOf(SUBNET.address(slot))));
  assert.equal(macs.size, 256);
});

Deno.test("parseMac() and slotOf() refuse malformed values", () => {
  assert.deepEqual([...parseMac("52:55:0A:58:00:01")], [0x52, 0x55, 0x0a, 0x58, 0, 1]);
  for (const bad of ["", "52:54", "52:54:00:00:00:0g", "52-54-00-00-00-00", "52:54:00:00:00:00:00"]) {
    assert.throws(() => parseMac(bad), FleetboxError);
  }
  assert.equal(SUBNET.slotOf("10.88.0.256"), undefined);
  assert.equal(SUBNET.slotOf("10.88.0.0"), 0);
});
