import * as assert from "#assert";
import { FleetboxError, hintOf, messageOf } from "../../core/errors.ts";
import { Store } from "../../store.ts";
import { type CheckpointManifest, linkSuspended, type SavedMember, snapshotPaths } from "../../store/snapshots.ts";
import type { GroupFacts, MemberFacts } from "../observe.ts";
import { absent, damaged, group, killed, served, silent, stopped } from "../testing.ts";
import { forkMembers, forkOptions, freeBeginning, isUnmadeFork, planFork, withFreeBeginning } from "./fork.ts";

const manifest = (hostNames: Record<string, string>, name = "seeded") =>
  ({
    name,
    members: Object.fromEntries(
      Object.entries(hostNames).map(([was, host_name]) => [was, { host_name } as SavedMember]),
    ),
  }) as unknown as CheckpointManifest;

Deno.test("a fork's members: named by their host names, also those of a fork of a fork", () => {
  assert.deepEqual(forkMembers(manifest({ a: "a", b: "b" }), "run1"), { "run1-a": "a", "run1-b": "b" });
  const members = forkMembers(manifest({ "run1-a": "a" }), "run2");
  assert.deepEqual(members, { "run2-a": "run1-a" });
  assert.deepEqual(forkOptions("seeded", members, { egress: "off" }), {
    egress: "off",
    snapshot: { checkpoint: "seeded", members },
  });
  assert.throws(
    () => forkMembers(manifest({ a: "a" }), "x".repeat(62)),
    (thrown) => /has 64 characters, expected at most 63/.test(messageOf(thrown)) && /--as/.test(hintOf(thrown)!),
  );
});

const isUnmade = ({ name }: MemberFacts) => name.startsWith("unmade");

const PLANS: [what: string, members: MemberFacts[], groups: GroupFacts[], expected: string | RegExp][] = [
  ["nothing is there", [absent("run1-a"), absent("run1-b")], [group("a", ["a"])], "spawn run1-a,run1-b"],
  ["a member of that name, stopped", [absent("run1-a"), stopped("run1-b")], [], /^refuse: .* a member run1-b already$/],
  ["members that run", [served("x-a", "x"), served("x-b", "x")], [], /^refuse: .* members x-a, x-b already$/],
  ["one whose config is damaged", [damaged("x-a")], [], /^refuse: /],
  ["one whose holder is silent", [silent("x-a")], [], /^refuse: /],
  ["a machine without a holder and a directory", [absent("x-a")], [killed("x-a", ["x-a"])], /^refuse: /],
  ["what a killed fork left", [stopped("unmade-a"), absent("unmade-b")], [], "replace unmade-a"],
  ["what another fork is just making", [served("unmade-a", "x", { state: "starting" })], [], /^refuse: /],
  ["a killed fork's machine", [stopped("unmade-a")], [killed("x", ["unmade-a"])], "replace unmade-a"],
  [
    "one that a guardian is about to adopt",
    [stopped("unmade-a")],
    [group("x", ["unmade-a"], { holderAlive: false, isComingBack: true })],
    /^refuse: /,
  ],
];

for (const [what, members, groups, expected] of PLANS) {
  Deno.test(`the plan of a fork: ${what}`, () => {
    const plan = planFork(members, groups, { checkpoint: "seeded", isUnmade });
    const told = plan.step === "refuse"
      ? `refuse: ${plan.error.message}`
      : `${plan.step} ${"names" in plan && plan.names}`;
    if (typeof expected === "string") assert.equal(told, expected);
    else assert.match(told, expected);
  });
}

Deno.test("a fork without a name takes the first free one, and the next when another takes that first", async () => {
  const dir = Deno.makeTempDirSync();
  try {
    const store = Store.at(dir);
    const saved = manifest({ a: "a", b: "b" });
    const make = (name: string) => Deno.mkdirSync(store.member(name).dir, { recursive: true });
    assert.equal(freeBeginning(store, saved), "seeded-1");
    make("seeded-1-b");
    assert.equal(freeBeginning(store, saved), "seeded-2");
    const tried: string[] = [];
    const made = await withFreeBeginning(store, saved, (as) => {
      tried.push(as);
      if (tried.length === 2) return Promise.resolve(as);
      make(`${as}-a`);
      return Promise.reject(new FleetboxError("conflict", "taken"));
    });
    assert.deepEqual([tried, made], [["seeded-2", "seeded-3"], "seeded-3"]);
    // A conflict that is not about the name is told.
    await assert.rejects(
      withFreeBeginning(store, saved, () => Promise.reject(new FleetboxError("conflict", "another QEMU"))),
      /another QEMU/,
    );
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
});

Deno.test("what a killed fork left is what would go on from the checkpoint; never what a killed restore left", async () => {
  const root = Deno.makeTempDirSync();
  try {
    const store = Store.at(root);
    const saved = snapshotPaths(store).checkpoint("seeded").member("a");
    Deno.mkdirSync(saved.dir, { recursive: true });
    for (const path of [saved.devices, saved.memory]) Deno.writeTextFileSync(path, "saved");
    const { dir, serialLog } = store.member("x-a");
    Deno.mkdirSync(dir, { recursive: true });
    const isUnmade = isUnmadeFork(store, "seeded", { "x-a": "a" });
    const its = (config: object) => isUnmade(stoppedWith({ from_checkpoint: "seeded", ...config }));
    assert.ok(its({}), "its machine was not started");
    assert.ok(!its({ from_checkpoint: "other" }));
    Deno.writeTextFileSync(serialLog, "");
    assert.ok(!its({}), "its machine ran");
    await linkSuspended(store, "x-a", saved);
    assert.ok(its({}), "its machine was started, and did not go on");
    assert.ok(!its({ disk_file: "disk-1.qcow2" }), "it had another disk before");
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
});

function stoppedWith(config: object): MemberFacts {
  return { ...stopped("x-a"), stored: { config } } as unknown as MemberFacts;
}
