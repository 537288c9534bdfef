/** The compiled executable on real QEMU, with the image that it carries: the README's start. */

import * as assert from "#assert";
import { guestOk } from "../support/guest.ts";
import { IS_COMPILED } from "../support/command.ts";
import { sandbox, test } from "../support/sandbox.ts";

if (!IS_COMPILED) throw new Error("FLEETBOX_TEST_EXE is not set: run scripts/test compiled");

test("one file and QEMU: two members boot, are reached, stop, and are removed", async () => {
  await using box = await sandbox({ env: { FLEETBOX_MICRO: "" } });
  await box.up("a,b");
  assert.match(await guestOk(box, "a", "ping -c 1 b"), /1 packets received/);
  assert.equal(await guestOk(box, "b", "hostname"), "b\n");
  await box.ok("stop", "a");
  assert.equal(await box.states(), "a=stopped b=running");
  await box.ok("rm", "a", "b");
  await box.empty();
});
