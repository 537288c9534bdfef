import * as assert from "#assert";
import type { GroupRecord } from "../../store.ts";
import { decideUse, type GatewayUse, keptUse, together, wasRestricted } from "./egress.ts";

const ON: GatewayUse = { egress: "on", host_access: false };
const OFF: GatewayUse = { egress: "off", host_access: false };
const HOST: GatewayUse = { egress: "off", host_access: true };

Deno.test("a member has what is asked, else what it had, else what its group has", () => {
  const rows: [string, Parameters<typeof decideUse>, GatewayUse][] = [
    ["the first of a new group", [{}, undefined, []], ON],
    ["a new one beside one with egress", [{}, undefined, [OFF, ON]], ON],
    ["a new one where nobody has egress", [{}, undefined, [OFF]], OFF],
    ["a new one beside one with access to the host", [{}, undefined, [HOST]], OFF],
    ["one that had none, in a group with egress", [{}, OFF, [ON]], OFF],
    ["one that had egress, in a group without", [{}, ON, [OFF]], ON],
    ["one that had access to the host", [{}, HOST, [ON]], HOST],
    ["asked: off", [{ egress: "off" }, ON, [ON]], OFF],
    ["asked: on, where nobody has it", [{ egress: "on" }, OFF, [OFF]], ON],
    ["asked: access to the host", [{ host_access: true }, OFF, []], HOST],
    ["asked: no access to the host", [{ host_access: false }, HOST, [HOST]], OFF],
  ];
  for (const [what, given, expected] of rows) assert.deepEqual(decideUse(...given), expected, what);
});

Deno.test("a config of an earlier version has what its group's record says, and without one egress", () => {
  const record = (egress: "on" | "off", host_access = false) => ({ egress, host_access }) as GroupRecord;
  assert.deepEqual(keptUse({}), ON);
  assert.deepEqual(keptUse({}, record("off")), OFF);
  assert.deepEqual(keptUse({}, record("off", true)), HOST);
  assert.deepEqual(keptUse({ egress: "off", host_access: false }, record("on", true)), OFF);
  assert.deepEqual(keptUse({}, {} as GroupRecord), ON, "a record of before there was egress");
});

Deno.test("a killed holder's gateway is as its record says, or as its group's settings made it", () => {
  const restricted = (record: Partial<GroupRecord>) => wasRestricted(record as GroupRecord);
  assert.equal(restricted({ ...OFF }), true);
  assert.equal(restricted({ ...ON }), false);
  assert.equal(restricted({ ...HOST }), false);
  assert.equal(restricted({ ...ON, gateway_restricted: true }), true);
  assert.equal(restricted({}), false);
});

Deno.test("together members have what any of them has", () => {
  assert.deepEqual(together([OFF, ON]), ON);
  assert.deepEqual(together([OFF, HOST]), HOST);
  assert.deepEqual(together([OFF]), OFF);
  assert.deepEqual(together([]), OFF);
});
