import * as assert from "#assert";
import type { RecordWriter } from "../group/record_writer.ts";
import type { Member } from "../member/member.ts";
import type { GroupNetwork } from "../network/group_network.ts";
import { EventHub } from "../server/events.ts";
import { GroupFaults } from "./of_group.ts";

Deno.test("that a fault has begun, or ended, is told when the group's record has it: a killed holder's successor knows", async () => {
  const order: string[] = [];
  const network: Partial<GroupNetwork> = {
    readyForFaults: () => Promise.resolve(),
    setConditions() {},
    faultCounts: () => new Map(),
    forgetFault() {},
  };
  let writing = Promise.resolve();
  const record: Partial<RecordWriter> = {
    note: () => writing = new Promise((resolve) => setTimeout(resolve)).then(() => void order.push("written")),
    written: () => writing,
  };
  const member = { name: "a", process: { pid: 1 }, report: () => ({ name: "a" }) } as unknown as Member;
  const roster = new Map([["a", member]]);
  const faults = new GroupFaults(network as GroupNetwork, roster, new EventHub(), record as RecordWriter);
  const { id } = await faults.begin({ spec: { kind: "drop", from: ["a"] } });
  order.push("begun");
  await faults.heal([id]);
  order.push("ended");
  assert.deepEqual(order, ["written", "begun", "written", "ended"]);
  faults.close();
});
