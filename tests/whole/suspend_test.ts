/** Suspended members that are started together: none goes on before all can, for its state is used up then. */

import * as assert from "#assert";
import { isSuspended } from "../../src/store/snapshots.ts";
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
