/** `up node -n 50`, with real machines: all run, know each other, and are listed and removed as a few are. */

import * as assert from "#assert";
import { guestOk } from "../support/guest.ts";
import { sandbox, test } from "../support/sandbox.ts";

const MEMBERS = 50;
/** They boot a few at a time. */
const LIMIT_MS = 20 * 60_000;

test("fifty machines run in one group, reach each other by name, and stop and go together", async () => {
  await using box = await sandbox({ limitMs: LIMIT_MS });
  await box.up("node", "-n", `${MEMBERS}`, "--memory", "128M");
  const all = Object.values(await box.ls());
  assert.deepEqual(all.map(({ state }) => state), Array(MEMBERS).fill("running"));
  assert.equal(new Set(all.map(({ ip }) => ip)).size, MEMBERS);
  assert.equal(box.machines().length, MEMBERS);
  for (const [from, to] of [["node-1", "node-50"], ["node-50", "node-25"]]) {
    assert.match(await guestOk(box, from, `ping -c 1 -W 20 ${to}`), /1 packets received/);
  }
  assert.match((await box.ok("status", "node-50")).stdout, /running/);
  await box.ok("stop", "--all");
  assert.deepEqual(box.machines(), []);
  assert.deepEqual(Object.values(await box.ls()).map(({ state }) => state), Array(MEMBERS).fill("stopped"));
  await box.ok("rm", "--all", "--force");
  assert.deepEqual(box.stored(), []);
});
