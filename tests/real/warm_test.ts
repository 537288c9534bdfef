/**
 * Real machines that start from templates instead of booting. What differs, `--cold` and a damaged template are decided alike with the fake
 * QEMU (`tests/whole/warm_test.ts`); that real QEMU refuses what is damaged is seen in `tests/library/shared_test.ts`.
 */

import * as assert from "#assert";
import { join } from "../../src/system/path.ts";
import { guest, guestOk } from "../support/guest.ts";
import { until } from "../support/processes.ts";
import { type Sandbox, sandbox, steps, test } from "../support/sandbox.ts";

test("the second group of machines like the first starts warm, and each of them is itself", async (context) => {
  await using box = await sandbox({ templates: true, limitMs: 300_000 });
  await steps(context, box, [
    ["the first boot takes a template of each", first],
    ["the same members, made anew, go on from there, and work", second],
    ["members of other names start from the same templates; their host names are their own", otherNames],
  ]);
});

async function first(box: Sandbox): Promise<void> {
  const up = await box.ok("up", "a,b", "--egress", "off");
  assert.doesNotMatch(up.stdout, /warm/);
  await guestOk(box, "a", "echo of-a > /home/fleetbox/mine; sync"); // after the template was taken
  await until("there are two templates", () => templates(box).length === 2);
  await box.ok("rm", "--force", "a,b");
}

async function second(box: Sandbox): Promise<void> {
  const up = await box.ok("up", "a,b", "--egress", "off");
  for (const name of ["a", "b"]) assert.match(up.stdout, new RegExp(`^${name}: running \\([\\d.]+ s, warm\\)$`, "m"));
  assert.match((await box.ok("status", "a")).stdout, /^template +[0-9a-f]{16}; it goes on from there$/m);
  assert.equal((await guest(box, "a", "cat /home/fleetbox/mine")).code, 1, "what came after the template is not there");
  assert.equal(await guestOk(box, "a", "hostname; hostname -i"), "a\n10.88.0.11\n");
  for (const [from, to] of [["a", "b"], ["b", "a"]]) await guestOk(box, from, `ping -c 1 -W 5 ${to}`);
  await clocks(box, ["a", "b"]);
  assert.notEqual(await random(box, "a"), await random(box, "b"));

  // It is a member like any other: its disk is its own.
  await guestOk(box, "a", "echo kept > /home/fleetbox/mine; sync");
  await box.ok("stop", "a");
  const again = await box.ok("up", "a", "--egress", "off", "--verbose");
  assert.match(again.stderr, /^a: it boots: it has a disk of its own$/m);
  assert.equal(await guestOk(box, "a", "cat /home/fleetbox/mine; hostname"), "kept\na\n");
  await box.ok("rm", "--force", "a,b");
}

async function otherNames(box: Sandbox): Promise<void> {
  const up = await box.ok("up", "x,y", "--egress", "off");
  assert.equal(up.stdout.match(/, warm\)$/gm)?.length, 2, up.stdout);
  assert.equal(await guestOk(box, "x", "hostname; hostname -i; cat /etc/hostname"), "x\n10.88.0.11\nx\n");
  await guestOk(box, "x", "ping -c 1 -W 5 y");
  await guestOk(box, "y", "ping -c 1 -W 5 x");
  const refused = await guest(box, "x", "nslookup a");
  assert.match(refused.stdout, /NXDOMAIN/, "the names of the template's group mean nothing here");
  await box.ok("stop", "x");
  await box.ok("up", "x", "--egress", "off");
  assert.equal(await guestOk(box, "x", "hostname"), "x\n", "also after a boot");
  await box.ok("rm", "--force", "x,y");
}

function templates(box: Sandbox): string[] {
  const dir = join(box.home, "snapshots/templates");
  return [...Deno.readDirSync(dir)].map(({ name }) => name);
}

/** In the guest: waits until a second begins, and says which one. Its `date` knows no fractions. */
const NEXT_SECOND = "s=$(date +%s); until [ $(date +%s) != $s ]; do :; done; date +%s";

/** The template's clock stood still for longer than this can be wrong: what a session takes, and half a second. */
async function clocks(box: Sandbox, names: string[]): Promise<void> {
  for (const name of names) {
    const before = Date.now();
    const guestMs = Number(await guestOk(box, name, NEXT_SECOND)) * 1000;
    assert.ok(
      guestMs >= before - 500 && guestMs <= Date.now() + 500,
      `${name}: its clock is off: ${guestMs - before} ms`,
    );
  }
}

function random(box: Sandbox, name: string): Promise<string> {
  return guestOk(box, name, "head -c 32 /dev/urandom | od -An -tx1");
}
