import * as assert from "#assert";
import { GroupLife, type Holdings, type LifeState } from "./life.ts";

Deno.test("life: a group only goes forward, and each step happens once", () => {
  const steps: [Exclude<LifeState, "open">, boolean, LifeState][] = [
    ["ending", true, "ending"],
    ["ending", false, "ending"],
    ["ended", true, "ended"],
    ["ending", false, "ended"],
    ["ended", false, "ended"],
  ];
  const life = new GroupLife();
  assert.ok(life.isOpen);
  for (const [to, happens, state] of steps) {
    assert.equal(life.advance(to), happens);
    assert.equal(life.state, state);
    assert.ok(!life.isOpen);
  }
  const atOnce = new GroupLife();
  assert.ok(atOnce.advance("ended"));
  assert.ok(!atOnce.advance("ending"));
});

Deno.test("life: what a group holds only grows, whatever its state is", () => {
  const life = new GroupLife();
  const held: Holdings[] = [];
  for (const what of ["nothing", "record", "nothing", "members", "record"] as const) {
    life.hold(what);
    held.push(life.holds);
  }
  assert.deepEqual(held, ["nothing", "record", "record", "members", "members"]);
});
