/** An image of one's own, made by a script in a real machine, a machine of it that is gone when its command ends, and the end of all. */

import * as assert from "#assert";
import { join } from "../../src/system/path.ts";
import { filesBelow } from "../support/files.ts";
import { guestOk } from "../support/guest.ts";
import { sandbox, test, told } from "../support/sandbox.ts";

test("image build --run makes an image; up --rm starts a member of it, and removes it when it is interrupted; uninstall removes all", async () => {
  await using box = await sandbox();
  const script = join(box.root, "setup.sh");
  Deno.writeTextFileSync(script, "#!/bin/sh\necho made here\nsudo sh -c 'echo mine >/etc/mine'\n");
  const built = await box.ok("image", "build", "micro", "--run", script, "--egress", "off", "--as", "own");
  assert.match(built.stdout, /^own \| made here$/m, told(built));

  const up = box.start(["up", "a", "--image", "own", "--rm", "--egress", "off"]);
  await up.printed(/removed when this command ends/);
  assert.equal(await guestOk(box, "a", "hostname; cat /etc/mine"), "a\nmine\n");
  up.kill("SIGINT");
  const ended = await up.done;
  assert.equal(ended.code, 0, told(ended)); // that is how it ends
  await box.empty();
  assert.deepEqual(box.stored(), []);

  await box.up("b");
  assert.match((await box.ok("uninstall", "--dry-run")).stdout, /^1 member .*\n[^]*^2 images .*own-/m);
  assert.equal(await guestOk(box, "b", "hostname"), "b\n");
  await box.ok("uninstall", "--force");
  assert.deepEqual(filesBelow(box.home), []);
});

/** The build fetches packages from this host's sources, and Debian boots for minutes where it is emulated. */
const LIMIT_MS = 900_000;

test("image build --package makes a Debian with that package in it, and a machine of it has the program", async () => {
  await using box = await sandbox({ env: { FLEETBOX_ACCEL: "tcg" }, limitMs: LIMIT_MS });
  const built = await box.ok("image", "build", "debian-12", "--package", "tree", "--as", "wood");
  assert.match(built.stdout, /^wood: .*\(\d.* s\)$/m, "with the time");
  await box.up("a", "--image", "wood", "--ready", "ssh", "--timeout", "900");
  assert.match((await box.ok("exec", "a", "--", "tree", "--version")).stdout, /^tree v\d/);
  assert.match(await guestOk(box, "a", "cat /etc/os-release"), /^VERSION_ID="12"$/m);
}, { limitMs: 2 * LIMIT_MS });
