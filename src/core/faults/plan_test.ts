import * as assert from "#assert";
import { FleetboxError } from "../errors.ts";
import { checkPlan, type FaultPlan, PACKAGES, parsePlan, randomPlan, TARGETS } from "./plan.ts";

const misuse = (message: RegExp) => (error: unknown) =>
  error instanceof FleetboxError && error.code === "misuse" && message.test(error.message);

const MEMBERS = ["a", "b", "c", "d", "e"];

Deno.test("plan: a seed makes the same one again, in whatever order the members come; another seed another one", () => {
  const wish = { members: MEMBERS, seed: 7, faults: PACKAGES, targets: TARGETS, durationMs: 600_000 };
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
      targets: TARGETS,
      intervalMs: 1_000,
      durationMs: 9_500,
    });
    assert.deepEqual(parsePlan(JSON.stringify(plan), "it"), plan);
    for (const { at_ms, for_ms, fault } of plan.steps) {
      kinds.add(fault.kind);
      assert.ok(at_ms + for_ms <= 9_500 && for_ms <= 1_000, JSON.stringify(plan));
    }
  }
  assert.deepEqual([...kinds].sort(), ["flap", "hold", "partition", "pause", "shape"]);
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
      { ...good, steps: [...good.steps, { at_ms: 0, for_ms: 1, fault: { kind: "drop" } }] },
      /^step 2: .*from, to, or both/,
    ],
  ];
  for (const [plan, message] of bad) assert.throws(() => checkPlan(plan), misuse(message));
  assert.throws(() => parsePlan("{", "plan.json"), misuse(/^plan.json is not JSON/));
});
