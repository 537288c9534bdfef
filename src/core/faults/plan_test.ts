import * as assert from "#assert";
import { FleetboxError } from "../errors.ts";
import { FAULT_KINDS } from "../faults.ts";
import { FIXED_TARGETS, PACKAGES } from "./packages.ts";
import { checkPlan, type FaultPlan, lateRandomPlan, parsePlan, randomPlan } from "./plan.ts";

const misuse = (message: RegExp) => (error: unknown) =>
  error instanceof FleetboxError && error.code === "misuse" && message.test(error.message);

/** The kinds of faults of machines. */
const MACHINES = ["pause", "cpu", "clock", "memory", "fill", "disk"];
const MEMBERS = ["a", "b", "c", "d", "e"];

Deno.test("plan: a seed makes the same one again, in whatever order the members come; another seed another one", () => {
  const wish = { members: MEMBERS, seed: 7, faults: PACKAGES, targets: FIXED_TARGETS, durationMs: 600_000 };
  const plan = randomPlan(wish);
  assert.equal(plan.steps.length >= 60, true);
  assert.deepEqual(randomPlan({ ...wish, members: [...MEMBERS].reverse() }), plan);
  assert.notDeepEqual(randomPlan({ ...wish, seed: 8 }), plan);
});

Deno.test("plan: random ones are plans, of every package, target and number of members, and end before their end", () => {
  const kinds = new Set<string>();
  for (let seed = 0; seed < 200; seed++) {
    const members = MEMBERS.slice(0, 2 + seed % 4);
    const plan = randomPlan({
      members,
      seed,
      faults: PACKAGES,
      targets: FIXED_TARGETS,
      intervalMs: 1_000,
      durationMs: 9_500,
    });
    assert.deepEqual(parsePlan(JSON.stringify(plan), "it"), plan);
    for (const { at_ms, for_ms, fault } of plan.steps) {
      kinds.add(fault.kind);
      assert.ok(at_ms + for_ms <= 9_500 && for_ms <= 1_000, JSON.stringify(plan));
    }
  }
  assert.deepEqual([...kinds].sort(), [...MACHINES, "flap", "hold", "partition", "shape"].sort());
});

Deno.test("plan: who leads is asked at a step's time, and every package hits these", () => {
  const wish = { members: MEMBERS, seed: 7, faults: PACKAGES, durationMs: 600_000 };
  const { plan, late } = lateRandomPlan({ ...wish, targets: ["primaries"] });
  assert.deepEqual([plan.steps, late.length], [[], 60]);
  const faults = late.flatMap(({ make }) => make(["b", "d"]));
  assert.deepEqual(
    new Set(faults.map(({ kind }) => kind)),
    new Set(["partition", "shape", "hold", "flap", ...MACHINES]),
  );
  for (const fault of faults) {
    if ("sets" in fault) assert.deepEqual(fault.sets, [["b", "d"], ["a", "c", "e"]]);
    else if (fault.kind === "shape") assert.deepEqual(fault.from, ["b", "d"]);
    else assert.match((fault as { member: string }).member, /^[bd]$/);
  }
  assert.deepEqual(late.flatMap(({ make }) => make([])), [], "nobody leads");
  assert.deepEqual(
    late.flatMap(({ make }) => make(MEMBERS)).filter((fault) => "sets" in fault),
    [],
    "nobody else is left",
  );
  const mixed = lateRandomPlan({ ...wish, targets: ["one", "primaries"] });
  assert.ok(mixed.late.length > 10 && mixed.plan.steps.length > 10);
  assert.throws(() => randomPlan({ ...wish, targets: ["primaries"] }), misuse(/targets: found "primaries"/));
});

Deno.test("plan: what makes no sense is refused", () => {
  const wish = { members: MEMBERS, seed: 7 };
  assert.throws(() => randomPlan({ ...wish, members: ["a"] }), misuse(/members: found \["a"\], expected at least two/));
  assert.throws(() => randomPlan({ ...wish, faults: ["meteor" as "pause"] }), misuse(/faults: found "meteor"/));
  assert.throws(() => randomPlan({ ...wish, targets: [] }), misuse(/targets: found \[\]/));
  assert.throws(() => randomPlan({ ...wish, intervalMs: 5 }), misuse(/interval: found 5/));
  const good: FaultPlan = randomPlan({ ...wish, durationMs: 1 });
  const bad: [unknown, RegExp][] = [
    [null, /version: found nothing, expected 1/],
    [{ ...good, version: 2 }, /version: found 2, expected 1/],
    [{ ...good, steps: [] }, /steps: found \[\]/],
    [{ ...good, seed: undefined }, /seed/],
    [{ ...good, repeat: true }, /found "repeat"/],
    [{ ...good, quiet_ms: -1 }, /quiet_ms/],
    [{ ...good, steps: [{ ...good.steps[0], for_ms: 0 }] }, /^step 1: Bad value for for_ms: found 0/],
    [
      { ...good, steps: [good.steps[0], { at_ms: 0, for_ms: 1, fault: { kind: "drop" } }] },
      /^step 2: .*from, to, or both/,
    ],
  ];
  const [step] = randomPlan({ members: MEMBERS, seed: 7 }).steps;
  assert.throws(() => checkPlan({ version: 1, seed: 7, steps: [{ ...step, seed: -1 }] }), misuse(/^step 1: .*seed/));
  for (const [plan, message] of bad) assert.throws(() => checkPlan(plan), misuse(message));
  assert.throws(() => parsePlan("{", "plan.json"), misuse(/^plan.json is not JSON/));
});

Deno.test("plan: its schema knows every kind of fault", () => {
  const { $defs } = JSON.parse(Deno.readTextFileSync(new URL("../../../docs/fault-plan.schema.json", import.meta.url)));
  const documented = $defs.fault.oneOf.map((one: { properties: { kind: { const: string } } }) =>
    one.properties.kind.const
  );
  assert.deepEqual(documented.sort(), [...FAULT_KINDS].sort());
});
