import assert from "node:assert/strict";
import { isMemberAddress, lastOctet, lowestFree, macOf, parseMac } from "./addresses.ts";
import { FleetboxError } from "../core/errors.ts";

Deno.test("lowestFree() gives .11 first, fills gaps, and ignores what is no address", () => {
  assert.equal(lowestFree([]), "10.88.0.11");
  assert.equal(lowestFree(["10.88.0.11", "10.88.0.13"]), "10.88.0.12");
  assert.equal(lowestFree(["", "10.88.0.011", "192.168.0.11"]), "10.88.0.11");
});

Deno.test("lowestFree() stops at .199, below the DHCP pool", () => {
  const taken: string[] = [];
  for (let count = 0; count < 189; count++) taken.push(lowestFree(taken));
  assert.equal(taken.at(-1), "10.88.0.199");
  assert.throws(() => lowestFree(taken), (thrown: FleetboxError) => thrown.code === "conflict");
});

Deno.test("isMemberAddress() takes only what lowestFree() could give", () => {
  for (const address of ["10.88.0.11", "10.88.0.199"]) assert.ok(isMemberAddress(address), address);
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
  for (const address of others) assert.ok(!isMemberAddress(address), address);
});

Deno.test("macOf() is stable, local, unicast, and differs between names", () => {
  assert.equal(macOf("web-1"), macOf("web-1"));
  assert.notEqual(macOf("web-1"), macOf("web-2"));
  const first = parseMac(macOf("web-1"))[0];
  assert.equal(first & 0b11, 0b10);
  const macs = new Set(Array.from({ length: 2000 }, (_, index) => macOf(`node-${index}`)));
  assert.equal(macs.size, 2000);
});

Deno.test("parseMac() and lastOctet() refuse what is none", () => {
  assert.deepEqual([...parseMac("52:55:0A:58:00:01")], [0x52, 0x55, 0x0a, 0x58, 0, 1]);
  for (const bad of ["", "52:54", "52:54:00:00:00:0g", "52-54-00-00-00-00", "52:54:00:00:00:00:00"]) {
    assert.throws(() => parseMac(bad), FleetboxError);
  }
  assert.equal(lastOctet("10.88.0.256"), undefined);
  assert.equal(lastOctet("10.88.0.0"), 0);
});
