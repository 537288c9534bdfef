import * as assert from "#assert";
import { hintOf } from "../../core/errors.ts";
import type { GroupFacts, MemberFacts } from "../observe.ts";
import { absent, damaged, group, killed, served, silent, stopped } from "../testing.ts";
import type { Plan } from "../plan.ts";
import { planRestore, planRestoreStart, type RestorePlan } from "./restore.ts";

const inGroup = (name: string, of: string, report = {}) => served(name, of, { group_id: `id-${of}`, ...report });

function told(plan: RestorePlan | Plan): string {
  if (plan.step === "refuse") return `refuse: ${plan.error.code}: ${plan.error.message} -> ${hintOf(plan.error)}`;
  return `${plan.step} ${"names" in plan && plan.names}`;
}

const PLANS: [what: string, members: MemberFacts[], groups: GroupFacts[], expected: string | RegExp][] = [
  ["stopped and removed members are made together", [stopped("a"), absent("b")], [], "spawn a,b"],
  ["what runs is ended first", [inGroup("a", "a"), stopped("b")], [group("a", ["a"])], "end a"],
  ["what boots, too", [inGroup("a", "a", { state: "starting" })], [group("a", [])], "end a"],
  ["what failed, too: its name is taken", [inGroup("a", "a", { state: "error" })], [group("a", [])], "end a"],
  ["a killed holder's machines, too", [stopped("a"), stopped("b")], [killed("a", ["a", "b"])], "end a,b"],
  [
    "members of several groups, too",
    [inGroup("a", "a"), inGroup("b", "b")],
    [group("a", ["a"]), group("b", ["b"])],
    "end a,b",
  ],
  [
    "what is being stopped is waited for",
    [inGroup("a", "a", { stage: "stopping" })],
    [group("a", ["a"])],
    "await-end a",
  ],
  [
    "others that run in their group",
    [inGroup("a", "a"), inGroup("b", "a")],
    [group("a", ["a", "b", "d10", "d2"])],
    'refuse: conflict: Cannot restore "a": its group "a" has running members that are no part of the checkpoint: ' +
    "d2, d10 -> Stop them first: fleetbox stop d2 d10",
  ],
  [
    "others that run in the group that a stopped one belongs to",
    [stopped("a", "id-a")],
    [group("a", ["d"])],
    /^refuse: conflict: .* fleetbox stop d$/,
  ],
  [
    "others of a killed holder's group",
    [stopped("a")],
    [killed("a", ["a", "d"])],
    /^refuse: conflict: .* fleetbox stop d$/,
  ],
  ["others of the group that do not run", [inGroup("a", "a")], [group("a", ["a"], { members: ["a", "d"] })], "end a"],
  ["one whose holder is silent", [silent("a")], [], /^refuse: timeout: silent/],
  ["one whose config is damaged", [damaged("a")], [], /^refuse: damaged/],
  ["one of a running program", [inGroup("a", "a", { bound: true })], [], /^refuse: conflict: .* running program/],
];

for (const [what, members, groups, expected] of PLANS) {
  Deno.test(`the plan of a restore: ${what}`, () => {
    const found = told(planRestore(members, groups));
    if (typeof expected === "string") assert.equal(found, expected);
    else assert.match(found, expected);
  });
}

Deno.test("the start of a restore: what runs by then was started by another, and is not ended", () => {
  assert.equal(told(planRestoreStart([stopped("a")], [])), "spawn a");
  assert.match(
    told(planRestoreStart([inGroup("a", "a"), stopped("b")], [group("a", ["a"])])),
    /^refuse: conflict: Cannot restore: a was started again meanwhile/,
  );
});
