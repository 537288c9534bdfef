import * as assert from "#assert";
import { codeOf, hintOf, messageOf } from "../../core/errors.ts";
import type { MemberFacts } from "../observe.ts";
import { absent, damaged, served, silent, stopped } from "../testing.ts";
import { groupsToSave, groupToSave } from "./group_to_save.ts";

const inGroup = (name: string, group: string, report = {}) =>
  served(name, group, { group_id: `id-${group}`, ...report });

function told(work: () => unknown): string {
  try {
    return JSON.stringify(work());
  } catch (thrown) {
    return `${codeOf(thrown)}: ${messageOf(thrown)} -> ${hintOf(thrown)}`;
  }
}

Deno.test("members to be saved: those that run, group by group, in the user's order", () => {
  const members = [inGroup("b", "x"), inGroup("z", "y"), inGroup("a", "x")];
  assert.deepEqual(groupsToSave(members, "suspend"), [{ group: "x", names: ["b", "a"] }, { group: "y", names: ["z"] }]);
  assert.deepEqual(groupToSave([members[0], members[2]]), { group: "x", names: ["b", "a"] });
});

const REFUSED: [what: string, members: MemberFacts[], said: string | RegExp][] = [
  [
    "of two groups",
    [inGroup("a", "x"), inGroup("c", "y"), inGroup("b", "x")],
    'conflict: Cannot save members of 2 groups at one instant: a, b in the group "x"; c in the group "y" -> ' +
    "Make a checkpoint of each: fleetbox checkpoint a,b --as NAME",
  ],
  [
    "of two groups that have the same name",
    [inGroup("a", "x"), inGroup("c", "x", { group_id: "other" })],
    /^conflict: Cannot save members of 2 groups/,
  ],
  ["one that does not exist", [inGroup("a", "x"), absent("b")], /^not-found: There is no member "b"/],
  [
    "one that is stopped",
    [inGroup("a", "x"), stopped("b")],
    'conflict: Cannot save "b": it is stopped, expected running -> Start it first: fleetbox up b',
  ],
  ["one that is suspended", [{ ...stopped("b"), isSuspended: true }], /it is suspended, .* fleetbox up b$/],
  ["one that still boots", [inGroup("b", "x", { state: "starting" })], /it is starting, .* fleetbox wait b$/],
  ["one that is being stopped", [inGroup("b", "x", { stage: "stopping" })], /it is being stopped, .* fleetbox up b$/],
  ["one that failed", [inGroup("b", "x", { state: "error" })], /it is error, expected running/],
  ["one that is damaged", [damaged("b")], /it is damaged, expected running/],
  ["one whose holder is silent", [silent("b")], /^timeout: silent/],
  ["one whose hypervisor is silent", [inGroup("b", "x", { not_answering: true, hypervisor_pid: 7 })], /\(process 7\)/],
];

for (const [what, members, said] of REFUSED) {
  Deno.test(`members to be saved: refused: ${what}`, () => {
    const found = told(() => groupToSave(members));
    if (typeof said === "string") assert.equal(found, said);
    else assert.match(found, said);
  });
}
