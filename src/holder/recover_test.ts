import assert from "node:assert/strict";
import type { ProcessIdentity } from "../process.ts";
import type { GroupRecord } from "../store.ts";
import { recover } from "./recover.ts";

const process = (pid: number): ProcessIdentity => ({ pid, startTime: String(pid * 10) });

/** A group of a holder, with machines by name and process id. */
function record(group: string, holder: number, machines: Record<string, number>, gateway?: number): GroupRecord {
  return {
    id: group.repeat(12).slice(0, 12),
    group,
    members: Object.keys(machines),
    running: Object.keys(machines).slice(0, 1),
    holder: process(holder),
    bound: false,
    egress: "off",
    host_access: false,
    hypervisors: Object.fromEntries(Object.entries(machines).map(([name, pid]) => [name, process(pid)])),
    gateway: gateway === undefined ? undefined : process(gateway),
    served: [],
    ssh_ports: {},
  };
}

/** `alive` are process ids. What comes out: adopted (`!`: it had answered before), booted, the group taken back. */
const TABLE: [what: string, names: string[], records: GroupRecord[], alive: number[], expected: unknown[]][] = [
  ["nothing was there", ["a", "b"], [], [], [[], ["a", "b"], undefined]],
  ["a killed holder's machines are taken back, all of them", ["a"], [record("a", 1, { a: 2, b: 3 }, 4)], [2, 3, 4], [
    ["a!", "b"],
    [],
    "a",
  ]],
  ["one that died with its holder is booted", ["a", "b"], [record("a", 1, { a: 2, b: 3 })], [3], [["b"], ["a"], "a"]],
  ["a new name joins those that are taken back", ["a", "z"], [record("a", 1, { a: 2 })], [2], [["a!"], ["z"], "a"]],
  ["a group that lives is left alone", ["z"], [record("a", 1, { a: 2 })], [1, 2], [[], ["z"], undefined]],
  ["others' orphans are left alone", ["z"], [record("a", 1, { a: 2 })], [2], [[], ["z"], undefined]],
  ["a record of nothing is nothing", ["a"], [record("a", 1, { a: 2 }, 3)], [], [[], ["a"], undefined]],
  ["a gateway alone is no group", ["a"], [record("a", 1, { a: 2 }, 3)], [3], [[], ["a"], undefined]],
];

for (const [what, names, records, alive, [adopted, booted, group]] of TABLE) {
  Deno.test(`recover: ${what}`, () => {
    const verdict = recover({ names, records, isAlive: ({ pid }) => alive.includes(pid) });
    assert.deepEqual(verdict.adopt.map(({ name, wasRunning }) => wasRunning ? `${name}!` : name), adopted);
    assert.deepEqual(verdict.boot, booted);
    assert.equal(verdict.record?.group, group);
  });
}

Deno.test("recover: a process id that was reused is not a machine of ours", () => {
  const facts = { names: ["a"], records: [record("a", 1, { a: 2 })] };
  const verdict = recover({ ...facts, isAlive: ({ pid, startTime }) => pid === 2 && startTime === "99" });
  assert.deepEqual([verdict.adopt, verdict.boot], [[], ["a"]]);
});

Deno.test("recover: two orphaned groups in one request are refused", () => {
  const records = [record("a", 1, { a: 2 }), record("b", 3, { b: 4 })];
  const facts = { names: ["a", "b"], records, isAlive: ({ pid }: ProcessIdentity) => pid === 2 || pid === 4 };
  assert.throws(() => recover(facts), /two networks cannot merge: a and b/);
});
