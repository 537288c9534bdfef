import * as assert from "#assert";
import { FleetboxError } from "../../core/errors.ts";
import { batchesOf, newMembers } from "./members.ts";

const A = {
  name: "a",
  host_name: "a",
  ip: "10.88.0.11",
  image: "micro",
  cpus: 1,
  memory_mb: 256,
  disk_mb: 10240,
  egress: "off",
};
const B = { ...A, name: "b", host_name: "b", ip: "10.88.0.12" };
const C = { ...A, name: "run1-c", host_name: "c", ip: "10.88.0.13", memory_mb: 512, arch: "aarch64" };

function refused(members: unknown, as?: string): string {
  try {
    batchesOf("t.zip", newMembers("t.zip", members, as));
  } catch (thrown) {
    assert.ok(thrown instanceof FleetboxError, `${thrown}`);
    return `${thrown.code}: ${thrown.message}\n${thrown.hint}`;
  }
  return "made";
}

Deno.test("a trace's members are made as they were, in the order of their addresses, those that are alike at once", () => {
  const options = { image: "micro", cpus: 1, mem: 0.25, disk: 10, egress: "off" };
  assert.deepEqual(batchesOf("t", newMembers("t", [C, B, A], undefined)), [
    { names: ["a", "b"], options },
    { names: ["run1-c"], options: { ...options, mem: 0.5, arch: "aarch64", host_names: { "run1-c": "c" } } },
  ]);
  const again = batchesOf("t", newMembers("t", [A, B], "again"));
  assert.deepEqual(again, [{
    names: ["again-a", "again-b"],
    options: { ...options, host_names: { "again-a": "a", "again-b": "b" } },
  }]);
});

Deno.test("members that are not known, or make no sense, are refused with what to do", () => {
  const play = /fleetbox up \S+ && fleetbox fault run plan\.json$/;
  for (const members of [undefined, [], {}, "a"]) {
    assert.match(refused(members), /^damaged: .*t\.zip again: its meta\.json names no members\n/);
    assert.match(refused(members), play);
  }
  assert.match(refused([{ ...A, name: "../a" }]), /^damaged: .*a member has the name "\.\.\/a"/);
  assert.match(refused([7]), /^damaged: .*the name ""/);
  assert.match(refused([A, { name: "b", host_name: "b" }]), /no image, cpus, memory_mb of "b"\n.*fleetbox up a,b && /);
  assert.match(refused([{ ...A, cpus: 1000 }]), /of "a" its meta\.json has a bad value for cpus: found 1000/);
  assert.match(refused([{ ...A, memory_mb: "much" }]), /bad value for mem: found "much"/);
  assert.match(refused([A, A]), /^misuse: The name "a" is given twice/);
  assert.match(
    refused([A], "x".repeat(62)),
    /^misuse: Bad value for --as: .* has 64 characters, expected at most 63\n/,
  );
  assert.match(refused([A], "No Name"), /^misuse: Not a member name/);
});
