import * as assert from "#assert";
import type { ProcessIdentity } from "../../system/process.ts";
import type { GroupRecord } from "../../store.ts";
import { ofComeback, recover } from "./recovery.ts";

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

const bound = (one: GroupRecord): GroupRecord => ({ ...one, bound: true });

/** For a detached holder: `alive` are process ids. What comes out: adopted, booted, group, stale groups, doomed. */
const TABLE: [what: string, names: string[], records: GroupRecord[], alive: number[], expected: unknown[]][] = [
  ["nothing was there", ["a", "b"], [], [], [[], ["a", "b"], undefined, [], []]],
  ["a killed holder's machines are adopted, all of them", ["a"], [record("a", 1, { a: 2, b: 3 }, 4)], [2, 3, 4], [
    ["a!", "b"],
    [],
    "a",
    [],
    [],
  ]],
  ["one that died with its holder is booted", ["a", "b"], [record("a", 1, { a: 2, b: 3 })], [3], [
    ["b"],
    ["a"],
    "a",
    [],
    [],
  ]],
  ["a new name joins those that are adopted", ["a", "z"], [record("a", 1, { a: 2 })], [2], [
    ["a!"],
    ["z"],
    "a",
    [],
    [],
  ]],
  ["a group that lives is left alone", ["z"], [record("a", 1, { a: 2 })], [1, 2], [[], ["z"], undefined, [], []]],
  ["others' orphans are left alone", ["z"], [record("a", 1, { a: 2 })], [2], [[], ["z"], undefined, [], []]],
  ["a record of nothing is stale", ["z"], [record("a", 1, { a: 2 }, 3)], [], [[], ["z"], undefined, ["a"], []]],
  ["a gateway alone is ended", ["z"], [record("a", 1, { a: 2 }, 3)], [3], [[], ["z"], undefined, ["a"], [3]]],
  ["a bound group that lives is left alone", ["z"], [bound(record("a", 1, { a: 2 }))], [1, 2], [
    [],
    ["z"],
    undefined,
    [],
    [],
  ]],
  ["what a killed bound holder left is ended, not adopted", ["a"], [bound(record("a", 1, { a: 2, b: 3 }, 4))], [
    3,
    4,
  ], [
    [],
    ["a"],
    undefined,
    ["a"],
    [3, 4],
  ]],
];

for (const [what, names, records, alive, [adopted, booted, group, stale, doomed]] of TABLE) {
  Deno.test(`recover: ${what}`, () => {
    const verdict = recover({ names, bound: false, records, isAlive: ({ pid }) => alive.includes(pid) });
    assert.deepEqual(verdict.adopt.map(({ name, wasRunning }) => wasRunning ? `${name}!` : name), adopted);
    assert.deepEqual(verdict.boot, booted);
    assert.equal(verdict.record?.group, group);
    assert.deepEqual(verdict.stale.map((one) => one.group), stale);
    assert.deepEqual(verdict.doomed.map(({ pid }) => pid), doomed);
  });
}

Deno.test("recover: a bound holder does not adopt a detached group's machine, and boots beside it what is free", () => {
  const isAlive = ({ pid }: ProcessIdentity) => pid === 2;
  const facts = { bound: true, records: [record("a", 1, { a: 2, b: 3 })], isAlive };
  assert.throws(() => recover({ ...facts, names: ["z", "a"] }), /Cannot start "a" bound to this program/);
  const { adopt, boot, stale, doomed } = recover({ ...facts, names: ["z", "b"] });
  assert.deepEqual([adopt, boot, stale, doomed], [[], ["z", "b"], [], []]);
});

Deno.test("recover: a process id that was reused is not a machine of ours", () => {
  const facts = { names: ["a"], bound: false, records: [record("a", 1, { a: 2 })] };
  const verdict = recover({ ...facts, isAlive: ({ pid, startTime }) => pid === 2 && startTime === "99" });
  assert.deepEqual([verdict.adopt, verdict.boot], [[], ["a"]]);
});

Deno.test("recover: two orphaned groups in one request are refused", () => {
  const records = [record("a", 1, { a: 2 }), record("b", 3, { b: 4 })];
  const facts = {
    names: ["a", "b"],
    bound: false,
    records,
    isAlive: ({ pid }: ProcessIdentity) => pid === 2 || pid === 4,
  };
  assert.throws(() => recover(facts), /two networks cannot merge: a and b/);
});

Deno.test("a guardian's holder boots nothing: what has ended since it looked was stopped, and of nothing it makes no group", () => {
  const facts = { names: ["a", "b"], bound: false, records: [record("a", 1, { a: 2, b: 3 })] };
  const isAliveOf = (...alive: number[]) => ({ pid }: ProcessIdentity) => alive.includes(pid);
  const found = ofComeback(recover({ ...facts, isAlive: isAliveOf(3) }));
  assert.deepEqual([found.adopt.map(({ name }) => name), found.boot], [["b"], []]);
  for (const records of [facts.records, []]) {
    const none = recover({ ...facts, records, isAlive: isAliveOf() });
    assert.deepEqual(none.boot, ["a", "b"]);
    assert.throws(() => ofComeback(none), /have ended meanwhile/);
  }
});
