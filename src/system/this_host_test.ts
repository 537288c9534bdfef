import * as assert from "#assert";
import { replaceVariables } from "../core/environment.ts";
import { type HostIdentity, isHostIdentity, type Relation, relationOf, thisHost } from "./this_host.ts";

const OWN: HostIdentity = { name: "n1", machine: "m", boot: "b", pids: "pid:[1]" };

const CASES: [Partial<HostIdentity>, Relation][] = [
  [{}, "here"],
  [{ name: "renamed" }, "here"],
  [{ boot: "before" }, "ended"],
  [{ pids: "pid:[2]" }, "ended"], // a container of this name that was started again
  [{ pids: "pid:[2]", name: "n2" }, "neighbour"],
  [{ boot: "other", name: "n2" }, "elsewhere"],
  [{ boot: "other", machine: "m2" }, "elsewhere"],
  [{ boot: undefined, pids: undefined }, "ended"],
  [{ boot: undefined, name: "n2" }, "elsewhere"],
];

for (const [other, expected] of CASES) {
  Deno.test(`a host that differs in ${JSON.stringify(other)} is ${expected}`, () => {
    assert.equal(relationOf({ ...OWN, ...other }, OWN), expected);
  });
}

Deno.test("what a job of a cluster has left is as of a host that was started again, once the job is known to be over", () => {
  const ofJob: HostIdentity = { ...OWN, name: "n2", boot: "other", job: "7@t" };
  assert.ok(isHostIdentity(ofJob));
  assert.equal(relationOf(ofJob, OWN), "elsewhere");
  using _ = replaceVariables({ FLEETBOX_ENDED_JOBS: "3@t,7@t" });
  assert.deepEqual([relationOf(ofJob, OWN), relationOf({ ...ofJob, job: "8@t" }, OWN)], ["ended", "elsewhere"]);
});

Deno.test("this host is here, and an earlier version's record is of this host", () => {
  const own = thisHost();
  assert.ok(isHostIdentity(JSON.parse(JSON.stringify(own))) && own.name !== "");
  assert.deepEqual([relationOf(own), relationOf(undefined)], ["here", "here"]);
  assert.equal(isHostIdentity({ name: 7 }), false);
  assert.equal(isHostIdentity(undefined), false);
});
