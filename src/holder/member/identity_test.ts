import * as assert from "#assert";
import * as fc from "fast-check";
import { codeOf } from "../../core/errors.ts";
import { SUBNET } from "../../network/subnet.ts";
import type { MemberConfig } from "../../store.ts";
import { decideIdentity, type Neighbour } from "./identity.ts";

const bySlot = (name: string, slot: number, hostName = name): Neighbour => {
  const ip = SUBNET.address(slot);
  return { name, hostName, ip, mac: SUBNET.macOf(ip) };
};

function config({ name, hostName, ip, mac }: Neighbour): MemberConfig {
  return { name, ip, mac, ...(hostName === name ? {} : { host_name: hostName }) } as MemberConfig;
}

const OLD_MAC = "52:54:ca:97:81:12";

Deno.test("a new member gets the lowest slot, and its MAC follows from it", () => {
  assert.deepEqual(decideIdentity("a", undefined, {}, [], []), {
    hostName: "a",
    ip: "10.88.0.11",
    mac: "52:54:00:58:00:0b",
  });
  const second = decideIdentity("a-x7", undefined, { hostName: "a" }, [bySlot("b", 11)], [bySlot("c", 12)]);
  assert.deepEqual(second, { hostName: "a", ip: "10.88.0.13", mac: "52:54:00:58:00:0d" });
});

Deno.test("one that comes back keeps its slot, its host name and its MAC", () => {
  const before = bySlot("a-x7", 20, "a");
  const { hostName, ip, mac } = before;
  assert.deepEqual(decideIdentity("a-x7", config(before), {}, [bySlot("b", 11)], []), { hostName, ip, mac });
  assert.deepEqual(decideIdentity("a-x7", config(before), { hostName: "a" }, [], []), { hostName, ip, mac });
});

Deno.test("one whose slot is another's here gets another one, and the MAC of that", () => {
  const before = bySlot("a", 11);
  assert.deepEqual(decideIdentity("a", config(before), {}, [bySlot("b", 11)], []), {
    hostName: "a",
    ip: "10.88.0.12",
    mac: "52:54:00:58:00:0c",
  });
});

Deno.test("a member of an earlier version keeps its MAC, whatever address it gets", () => {
  const before = config({ ...bySlot("a", 11), mac: OLD_MAC });
  const stays = decideIdentity("a", before, {}, [], []);
  assert.deepEqual([stays.ip, stays.mac], ["10.88.0.11", OLD_MAC]);
  const moves = decideIdentity("a", before, {}, [bySlot("b", 11)], []);
  assert.deepEqual([moves.ip, moves.mac], ["10.88.0.12", OLD_MAC]);
});

Deno.test("a slot whose MAC another member has is not given away, and a MAC in use is refused", () => {
  const odd: Neighbour = { ...bySlot("odd", 30), mac: SUBNET.macOf("10.88.0.11") };
  assert.equal(decideIdentity("a", undefined, {}, [odd], []).ip, "10.88.0.12");
  const twin = { ...bySlot("twin", 30), mac: OLD_MAC };
  assert.throws(
    () => decideIdentity("a", config({ ...bySlot("a", 11), mac: OLD_MAC }), {}, [twin], []),
    (thrown: Error) =>
      codeOf(thrown) === "conflict" && /its MAC address 52:54:ca.* is that of "twin"/.test(thrown.message),
  );
});

Deno.test("an address that was asked for is given, or refused", () => {
  const ip = "10.88.0.40";
  assert.equal(decideIdentity("a", undefined, { ip }, [bySlot("b", 11)], []).ip, ip);
  assert.equal(decideIdentity("a", config(bySlot("a", 40)), { ip }, [], []).ip, ip);
  const refused: [before: Neighbour | undefined, ip: string, message: RegExp][] = [
    [undefined, "10.88.0.11", /"a" cannot have the address 10\.88\.0\.11: another member has it/],
    [undefined, "10.88.0.12", /another member has it/],
    [undefined, "10.88.0.1", /it is none of 10\.88\.0\.0\/24's members/],
    [bySlot("a", 20), ip, /it keeps 10\.88\.0\.20/],
  ];
  for (const [before, ip, message] of refused) {
    assert.throws(
      () => decideIdentity("a", before && config(before), { ip }, [bySlot("b", 11)], [bySlot("c", 12)]),
      (thrown: Error) => codeOf(thrown) === "conflict" && message.test(thrown.message),
    );
  }
});

Deno.test("a host name belongs to one member: the refusal names it, also while it is stopped", () => {
  const cases: [name: string, asked: string | undefined, message: RegExp][] = [
    ["b", "a", /"a" is the host name of "a-x7" there already/],
    ["a", undefined, /"a" is the host name of "a-x7" there already/],
    ["a", "z", /"a" is the host name of "a-x7" there already/],
    ["b", "a-x7", /"a-x7" is the name of another member there already/],
  ];
  const other = bySlot("a-x7", 11, "a");
  for (const [name, asked, message] of cases) {
    for (const [served, away] of [[[other], []], [[], [other]]]) {
      assert.throws(
        () => decideIdentity(name, undefined, { hostName: asked }, served, away),
        (thrown: Error) => codeOf(thrown) === "conflict" && message.test(thrown.message),
        `${name} ${asked}`,
      );
    }
  }
  assert.throws(
    () => decideIdentity("a-x7", config(other), { hostName: "b" }, [], []),
    /keeps the host name "a", with which it was made \(asked: "b"\)/,
  );
});

Deno.test("after any joins and removals no two of a group have the same address, MAC or host name", () => {
  const before = fc.option(
    fc.record({
      slot: fc.integer({ min: 0, max: 255 }),
      old: fc.option(fc.constantFrom(OLD_MAC, "52:54:00:58:00:0c")),
    }),
  );
  fc.assert(fc.property(fc.array(before, { maxLength: 30 }), (comers) => {
    const served: Neighbour[] = [];
    for (const [index, comer] of comers.entries()) {
      const name = `m-${index}`;
      const had = comer && config({ ...bySlot(name, comer.slot), ...(comer.old ? { mac: comer.old } : {}) });
      try {
        served.push({ name, ...decideIdentity(name, had ?? undefined, {}, served, []) });
      } catch (thrown) {
        assert.equal(codeOf(thrown), "conflict");
      }
    }
    for (const key of ["ip", "mac", "hostName"] as const) {
      assert.equal(new Set(served.map((one) => one[key])).size, served.length, key);
    }
    assert.ok(served.every(({ ip }) => SUBNET.isMemberAddress(ip)));
  }));
});
