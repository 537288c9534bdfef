import assert from "node:assert/strict";
import type { State } from "../../wire.ts";
import { isActive, mayFollow, MemberState } from "./states.ts";

const STATES: State[] = ["stopped", "downloading", "starting", "running", "error"];

Deno.test("states: the table of transitions, whole", () => {
  const allowed = STATES.map((from) => [from, ...STATES.filter((to) => mayFollow(from, to))]);
  assert.deepEqual(allowed, [
    ["stopped", "downloading", "starting", "running", "error"],
    ["downloading", "stopped", "starting", "error"],
    ["starting", "stopped", "downloading", "running", "error"],
    ["running", "stopped", "error"],
    ["error", "stopped", "downloading", "starting"],
  ]);
  assert.deepEqual(STATES.filter(isActive), ["downloading", "starting", "running"]);
});

Deno.test("states: a change that the table does not allow throws and changes nothing", () => {
  let changes = 0;
  const member = new MemberState(() => changes++);
  member.to("starting", "image");
  member.to("running");
  assert.throws(() => member.to("starting"), /from running to starting/);
  assert.deepEqual([member.state, changes], ["running", 2]);
});

Deno.test("states: a failure keeps its cause until the next start", () => {
  const member = new MemberState(() => {});
  member.to("starting");
  member.fail(new Error("no", { cause: new Error("because") }));
  assert.deepEqual([member.state, member.failure?.causes], ["error", ["because"]]);
  member.to("starting");
  assert.equal(member.failure, undefined);
});
