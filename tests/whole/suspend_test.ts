/** Suspended members that are started together: none goes on before all can, for its state is used up then. */

import * as assert from "#assert";
import { isSuspended } from "../../src/store/snapshots.ts";
import { until } from "../support/processes.ts";
import { sandbox, test } from "../support/sandbox.ts";

test("one whose saved state is damaged leaves the others suspended; those with what it needs go on after them", async () => {
  await using box = await sandbox({ fakeQemu: {}, fakeSsh: true });
  await box.up("a,b,c");
  await box.ok("suspend", "a,b,c");
  box.behave({ b: { startMs: 1_000, incoming: "fail" } });
  await box.fails(1, /"b" cannot go on from its suspended state/, "up", "a,b,c", "--egress", "off");
  for (const name of ["a", "b", "c"]) assert.ok(isSuspended(box.store, name), name);

  // One that boots is not waited for, nor one that waits for them.
  box.behave({});
  await box.ok("up", "b", "--cold", "--egress", "off");
  await box.ok("suspend", "b");
  const group = `${box.root}/fleetbox.toml`;
  Deno.writeTextFileSync(
    group,
    '[defaults]\negress = "off"\n[members.a]\n[members.b]\nneeds = ["a"]\n[members.c]\n[members.d]\n',
  );
  await box.ok("up", "-f", group);
  for (const name of ["a", "b", "c"]) assert.ok(!isSuspended(box.store, name), name);
});

test("one that has gone on runs on when it, or another, does not answer: its memory would be lost", async () => {
  await using box = await sandbox({ fakeQemu: { z: { ssh: "never" } }, fakeSsh: true });
  await box.up("a");
  await box.ok("suspend", "a");
  await box.fails(4, /"z" did not answer/, "up", "a,z", "--egress", "off", "--timeout", "3s");
  assert.equal(await box.states(), "a=running");
  await box.ok("suspend", "a");
  box.behave({ "*": { renewal: "fail" } });
  const words =
    /"a" goes on, but its clock and its random numbers may not be new: .*told to fail\n.*fleetbox console a/;
  await box.fails(1, words, "up", "a", "--egress", "off");
  assert.equal(await box.states(), "a=running");
});

test("Ctrl-C leaves one running that has gone on, and takes down the others", async () => {
  await using box = await sandbox({ fakeQemu: { z: { ssh: "never" } }, fakeSsh: true });
  await box.up("a");
  await box.ok("suspend", "a");
  const interrupted = box.start(["up", "a,z", "--egress", "off"]);
  await until("it has gone on", async () => (await box.ls()).a?.state === "running");
  interrupted.kill("SIGINT");
  const { code, stderr } = await interrupted.done;
  assert.equal(code, 130);
  assert.match(
    stderr,
    /left running: a: what was suspended is nowhere else\n(.*\n)*.*Interrupted; stopped again: z$/m,
  );
  assert.equal(await box.states(), "a=running");
});
