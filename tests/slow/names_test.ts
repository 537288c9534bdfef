/** Names of real machines: made up, changed, listed on a narrow terminal. */

import * as assert from "#assert";
import { guest, guestOk } from "../support/guest.ts";
import { sandbox, test } from "../support/sandbox.ts";
import { OnTerminal } from "../support/terminal.ts";

test("a name is made up; a new name is known to the others; ls has it all in 60 columns", async () => {
  await using box = await sandbox({ warm: true });
  await box.up("-n", "2");
  const [one, two] = Object.keys(await box.ls());
  assert.match(`${one} ${two}`, /^([a-z]+-[a-z]+)-1 \1-2$/);
  assert.equal(
    await guestOk(box, two, `hostname; ping -c 1 -W 5 ${one} >/dev/null && echo reached`),
    `${two}\nreached\n`,
  );

  await box.fails(1, /it runs/, "rename", two, "database");
  await box.ok("stop", two);
  await box.ok("rename", two, "database");
  await box.up("database", "--label", "tier=db");
  assert.equal(await guestOk(box, "database", "hostname"), "database\n");
  await guestOk(box, one, "ping -c 1 -W 5 database");
  assert.notEqual((await guest(box, one, `ping -c 1 -W 1 ${two}`)).code, 0, "the old name means nothing now");

  // Only that one: the other goes on.
  const bootId = "cat /proc/sys/kernel/random/boot_id";
  const before = await Promise.all([one, "database"].map((name) => guestOk(box, name, bootId)));
  await box.ok("restart", "database");
  const after = await Promise.all([one, "database"].map((name) => guestOk(box, name, bootId)));
  assert.deepEqual(after.map((id, index) => id === before[index]), [true, false]);

  await box.ok("stop", "--all");
  const ls = new OnTerminal(["ls"], { env: { ...box.env, NO_COLOR: "1" }, columns: 60 });
  assert.equal(await ls.done, 0, ls.output);
  const lines = ls.output.trim().split(/\r?\n/);
  assert.ok(lines.every((line) => line.length <= 60), ls.output);
  for (const row of [/^NAME .* GROUP$/, /^database +stopped /, new RegExp(`^${one} +stopped `)]) {
    assert.ok(lines.some((line) => row.test(line)), ls.output);
  }
  assert.equal((await box.ok("ls", "-q", "--label", "tier=db")).stdout, "database\n");
});
