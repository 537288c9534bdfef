/** Scripts that set up real machines: once, told as they run, and again from a template. */

import * as assert from "#assert";
import { join } from "../../src/system/path.ts";
import { guestOk } from "../support/guest.ts";
import { until } from "../support/processes.ts";
import { sandbox, test, told } from "../support/sandbox.ts";

test("a script sets a machine up once; the next machine with the same script starts warm; one that fails is told with its last lines", async () => {
  await using box = await sandbox({ templates: true });
  const script = (name: string, text: string) => {
    Deno.writeTextFileSync(join(box.root, name), `#!/bin/sh\n${text}\n`);
    return join(box.root, name);
  };
  const good = script("good.sh", "echo sets up; echo once >>/srv/runs; sync");
  const bad = script("bad.sh", "seq 1 30; echo cannot >&2; exit 3");

  const first = await box.up("a", "--run", good);
  assert.match(first.stdout, /^a \| sets up$/m, told(first));
  await box.ok("stop", "a");
  const again = await box.up("a", "--run", good);
  assert.match(again.stderr, /has run before, and is not run again/, told(again));
  assert.equal(await guestOk(box, "a", "cat /srv/runs"), "once\n");

  await until("there is a template", () => [...Deno.readDirSync(join(box.home, "snapshots/templates"))].length > 0);
  await box.ok("rm", "a", "--force");
  const warm = await box.up("a", "--run", good);
  assert.match(warm.stdout, /^a: running \([\d.]+ s, warm\)$/m, told(warm));
  assert.doesNotMatch(warm.stdout, /sets up/);
  assert.equal(await guestOk(box, "a", "cat /srv/runs; hostname"), "once\na\n");

  const failed = await box.run("up", "b", "--run", bad, "--egress", "off");
  assert.equal(failed.code, 1, told(failed));
  assert.match(
    failed.stderr,
    /"b" runs, but .*bad\.sh failed in it with exit code 3[^]*its last lines:[^]* 30\n +cannot\n/,
  );
  assert.equal(await box.states(), "a=running b=running", "one may look");
  await box.up("b", "--run", script("bad.sh", "echo mended"));
  assert.equal((await box.status("b"))!.error, undefined);
});
