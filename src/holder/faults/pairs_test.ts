import * as assert from "#assert";
import type { FaultSpec } from "../../core/faults.ts";
import { conditionsOf, fixedPairs, membersOf, pairsBetween, type PresentFault } from "./pairs.ts";

const MEMBERS = ["a", "b", "c"];

function fault(id: string, spec: FaultSpec, isOn = true): PresentFault {
  const pairs = fixedPairs(spec, MEMBERS, 1);
  return { id, spec, seed: 1, since: new Date().toISOString(), isOn, ...(pairs ? { pairs } : {}) };
}

Deno.test("pairs: sets are cut from each other, both ways or from the earlier to the later", () => {
  assert.deepEqual(pairsBetween([["a", "b"], ["c"]]), [["a", "c"], ["c", "a"], ["b", "c"], ["c", "b"]]);
  assert.deepEqual(pairsBetween([["a"], ["b"], ["c"]], true), [["a", "b"], ["a", "c"], ["b", "c"]]);
});

Deno.test("pairs: a shape is made of all members, or of those that are named", () => {
  assert.equal(fixedPairs({ kind: "partition", shape: "isolate" }, MEMBERS, 1)!.length, 6);
  assert.deepEqual(fixedPairs({ kind: "partition", shape: "isolate", of: ["a", "b"] }, MEMBERS, 1)!.length, 2);
  assert.deepEqual(fixedPairs({ kind: "partition", shape: "one" }, ["a"], 1), []);
});

Deno.test("pairs: faults add up on a pair, each in its list, in their order", () => {
  const all = conditionsOf([
    fault("f1", { kind: "shape", from: ["a"], shape: { delayMs: 5 } }),
    fault("f2", { kind: "hold", sets: [["a"], ["b"]] }),
    fault("f3", { kind: "drop", to: ["b"] }),
    fault("f4", { kind: "shape", shape: { loss: 0.5 } }),
    fault("f5", { kind: "flap", sets: [["a"], ["b"]], downMs: 10, upMs: 10 }, false),
  ], MEMBERS);
  const { cuts, holds, shapes } = all.get("a b")!;
  assert.deepEqual([cuts, holds, shapes.map(({ id }) => id)], [["f3"], ["f2"], ["f1", "f4"]]);
  assert.deepEqual(all.get("b a")!.holds, ["f2"]);
  assert.deepEqual(all.get("a c")!.shapes.map(({ id }) => id), ["f1", "f4"]);
  assert.equal([...all.keys()].some((key) => key.includes("gateway")), false, "it is not named");
});

Deno.test("pairs: the gateway is in a pair where it is named, and is no member", () => {
  const cut = fault("f1", { kind: "partition", sets: [["a"], ["gateway"]] });
  assert.deepEqual([...conditionsOf([cut], MEMBERS).keys()], ["a gateway", "gateway a"]);
  assert.deepEqual(membersOf(cut, MEMBERS), ["a"]);
  assert.deepEqual(membersOf(fault("f2", { kind: "pause", member: "b" }), MEMBERS), ["b"]);
});
