import * as assert from "#assert";
import { configOf, id } from "../../store/snapshots/testing.ts";
import { savedMember } from "../../store/snapshots/manifests.ts";
import type { Options } from "../../core/options.ts";
import { configFromSave } from "./sources.ts";

const PROGRAM = { pid: 4711, startTime: "1" };
const MAKER = { pid: 4712, startTime: "2" };
const saved = savedMember(configOf("a", { layers: [id(1)], owner: MAKER, host_name: "web", group: "g" }), 0);
const asked: Options = { owner: PROGRAM, snapshot: { checkpoint: "seeded", members: { x: "a" } } };

Deno.test("sources: a fork is its program's, and has the saved host name", () => {
  const fork = configFromSave("x", saved, undefined, asked);
  assert.deepEqual([fork.name, fork.host_name, fork.owner], ["x", "web", PROGRAM]);
  assert.deepEqual([fork.layers, fork.from_checkpoint, fork.group], [[id(1)], "seeded", undefined]);
  assert.equal(configFromSave("x", saved, undefined, { ...asked, owner: undefined }).owner, undefined);
});

Deno.test("sources: a member that is taken back stays whose it was", () => {
  const users = configFromSave("x", saved, configOf("x", { disk_file: "disk-2.qcow2" }), asked);
  assert.equal(users.owner, undefined, "else its disk would go with the program");
  assert.equal(users.disk_file, "disk-3.qcow2");
  assert.deepEqual(configFromSave("x", saved, configOf("x", { owner: MAKER }), asked).owner, MAKER);
});
