/** The host's file system is full while guests write: the machine is paused, the user is told, and it is resumed. */

import * as assert from "#assert";
import { join } from "../../src/system/path.ts";
import { filesBelow, fillUp } from "../support/files.ts";
import { until } from "../support/processes.ts";
import { MAY_MOUNT, type Sandbox, sandbox, test } from "../support/sandbox.ts";

const ballast = (box: Sandbox) => join(box.home, "ballast");

/** Fills the store's file system. */
const fill = (box: Sandbox) => fillUp(ballast(box));

async function paused(box: Sandbox, name: string): Promise<void> {
  await until(`${name} is paused`, async () => (await box.status(name))?.stage === "paused");
}

async function goesOn(box: Sandbox, name: string): Promise<void> {
  await until(`${name} goes on`, async () => (await box.status(name))?.stage === undefined);
}

test(
  "a full disk pauses the member and says what to do; it is resumed once there is space, and can be stopped",
  async () => {
    await using box = await sandbox({ fakeQemu: { a: { onSignal: "diskFull" } }, storeKiB: 16 * 1024 });
    await box.up("a,b");
    fill(box);
    box.accident("a");
    await paused(box, "a");
    const { error, state, running } = (await box.status("a"))!;
    assert.deepEqual([state, running], ["running", true]);
    assert.match(
      error!,
      /^paused: disk full: write on volume "disk" failed: No space left on device \(.*disk\.qcow2\)$/,
    );
    const ls = await box.ok("ls");
    assert.match(ls.stdout, /^a +running \(paused\)/m);
    assert.match(
      ls.stdout,
      /^a: paused: disk full: [^]*try: Free some space on the file system of .*\/a: .*by itself/m,
    );
    assert.match(ls.stdout, /^b +running /m);

    Deno.removeSync(ballast(box));
    await goesOn(box, "a");
    assert.equal((await box.status("a"))!.error, undefined);
    assert.match(box.holderLog("a"), /a: there is space again \(\d+ MiB\): resuming/);

    fill(box);
    box.accident("a");
    await paused(box, "a");
    await box.ok("stop", "a", "--grace", "1s");
    assert.equal(await box.states(), "a=stopped b=running");
    Deno.removeSync(ballast(box));
  },
  { ignore: !MAY_MOUNT },
);

test(
  "a machine that is paused for a full disk stays paused when its holder is killed, and the next holder resumes it",
  async () => {
    await using box = await sandbox({ fakeQemu: { a: { onSignal: "diskFull" } }, storeKiB: 16 * 1024 });
    await box.up("a");
    const machines = box.machines();
    fill(box);
    box.accident("a");
    await paused(box, "a");
    await box.killHolder("a");
    Deno.truncateSync(ballast(box), Deno.statSync(ballast(box)).size - 512 * 1024); // for the next holder's own files
    await box.fails(1, /paused: disk full: .*\n +try: Free some space/, "up", "a", "--egress", "off");
    const { stage, error } = (await box.status("a"))!;
    assert.equal(stage, "paused");
    assert.match(error!, /paused: disk full: a write failed before its holder was killed/);
    Deno.removeSync(ballast(box));
    await goesOn(box, "a");
    assert.deepEqual(box.machines(), machines);
  },
  { ignore: !MAY_MOUNT },
);

test(
  "a boot that is paused for a full disk is resumed and completes; one that times out says that the disk was full",
  async () => {
    const fakeQemu = { a: { bootMs: 1_200, diskFullAfterMs: 300 } };
    await using box = await sandbox({ fakeQemu, storeKiB: 16 * 1024 });
    const up = box.start(["up", "a", "--egress", "off"]);
    await up.printed(/^a: boot/m);
    fill(box);
    await up.printed(/^a: paused/m);
    Deno.removeSync(ballast(box));
    assert.equal((await up.done).code, 0, up.stderr);
    await box.ok("stop", "a");

    box.behave({ a: { boot: "never", diskFullAfterMs: 300 } });
    const late = box.start(["up", "a", "--egress", "off", "--timeout", "8"]);
    await late.printed(/^a: boot/m);
    fill(box);
    assert.equal((await late.done).code, 4);
    assert.match(late.stderr, /did not come up within 8 s: paused: disk full/);
    Deno.removeSync(ballast(box));
  },
  { ignore: !MAY_MOUNT },
);

test(
  "a full disk while members are saved: an error, nothing half-made is left, they run on; with space it works",
  async () => {
    await using box = await sandbox({ fakeQemu: {}, fakeSsh: true, storeKiB: 16 * 1024 });
    await box.up("a,b");
    const left = () =>
      [...filesBelow(join(box.home, "snapshots")), ...filesBelow(box.store.clustersDir)]
        .filter((path) => /\/(devices|memory)$|\.tmp(\/|$)/.test(path));
    for (const command of [["checkpoint", "a,b", "--as", "seeded"], ["suspend", "a,b"]]) {
      fill(box);
      await box.fails(1, [/no space left/, /try: Free .*space/], ...command);
      assert.deepEqual(left(), []);
      assert.equal(await box.states(), "a=running b=running");
      Deno.removeSync(ballast(box));
    }
    assert.equal((await box.ok("checkpoint", "ls", "--json")).stdout, "[]\n");
    await box.ok("checkpoint", "a,b", "--as", "seeded");

    // And for a fork of two there must be room before anything is made.
    fill(box);
    await box.fails(
      1,
      [/Cannot start 2 machines: their disks need at least 8 MiB, and 0 MiB are free/],
      "fork",
      "seeded",
    );
    Deno.removeSync(ballast(box));
    assert.equal(await box.states(), "a=running b=running");
    await box.ok("fork", "seeded");
    await box.ok("suspend", "--all");
    await box.ok("up", "a,b");
  },
  { ignore: !MAY_MOUNT },
);

test(
  "members for whose templates there is no room run, and one line says that the next start is no warm one",
  async () => {
    await using box = await sandbox({ fakeQemu: {}, fakeSsh: true, templates: true, storeKiB: 16 * 1024 });
    const { stderr } = await box.up("a,b");
    const told = stderr.split("\n").filter((line) => line.includes("no template is taken"));
    assert.equal(told.length, 1, stderr);
    assert.match(told[0], /less than \d+ MiB are free in .*--no-template/);
    await box.ok("rm", "a,b", "--force");
    assert.equal((await box.up("a", "--no-template")).stderr, "");
  },
  { ignore: !MAY_MOUNT },
);
