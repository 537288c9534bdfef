/** The library's groups: who serves a member that starts, what it is then, and what is left when it does not. */

import * as assert from "#assert";
import { fileURLToPath } from "node:url";
import { type Sandbox, sandbox, test } from "../support/sandbox.ts";

const PROGRAM = fileURLToPath(new URL("library_group.ts", import.meta.url));
const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));

// deno-lint-ignore no-explicit-any
async function found(box: Sandbox, what: string): Promise<any> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "--quiet", `--config=${CONFIG}`, PROGRAM, what],
    clearEnv: true,
    env: box.env,
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  await box.empty();
  assert.deepEqual(box.stored(), [], "what the group made is removed");
  return JSON.parse(new TextDecoder().decode(stdout));
}

test("when all members are down, a member that is added has its own options, and the others join its network", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  assert.deepEqual(await found(box, "rejoin"), { isOneNetwork: true, isNewHolder: true, sizes: [[1, 256], [2, 256]] });
});

test("members that start at the same time after all were down get one holder", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  assert.deepEqual(await found(box, "together"), { holders: 1, states: ["running", "running", "running"] });
});

test("a start of a member that is being stopped waits until it is down, and boots it", async () => {
  await using box = await sandbox({ fakeQemu: { a: { powerdownMs: 500 } } });
  assert.deepEqual(await found(box, "stopping"), { state: "running" });
});

test("a signal takes down what was being added, and nothing else", async () => {
  await using box = await sandbox({ fakeQemu: { never: { boot: "never" } } });
  const { adding, never, a } = await found(box, "interrupted");
  assert.match(adding, /^interrupted: Starting "never" was interrupted$/);
  assert.deepEqual([never, a], [null, "running"]);
});

test("all come up or none; a member that cannot be added leaves the group as it was", async () => {
  await using box = await sandbox({ fakeQemu: { bad: { start: "die", message: "no luck" } } });
  const { refused, adding, bad, a } = await found(box, "failing");
  assert.match(refused, /"bad"/);
  assert.match(adding, /"bad"/);
  assert.deepEqual([bad, a], [null, "running"]);
});
