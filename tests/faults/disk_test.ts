/** Disks that fail and are slow, as a real guest sees them. */

import * as assert from "#assert";
import { diskOf } from "../../src/store/disk.ts";
import { problemsOfImage } from "../checkpoints/disks.ts";
import { guest, guestOk } from "../support/guest.ts";
import { type Sandbox, sandbox, test } from "../support/sandbox.ts";

/** 4 GiB into the disk, where the file system of the image has long ended: in blocks of 4 KiB, and in sectors. */
const BLOCK = 2 ** 20;
const SECTOR = BLOCK * 8;

const READ = `dd if=/dev/vda of=/dev/null bs=4k skip=${BLOCK} iflag=direct`;
const WRITE = `dd if=/dev/zero of=/dev/vda bs=4k seek=${BLOCK} oflag=direct conv=notrunc`;
const SYNCED = `${WRITE},fsync`;

/** How each of some commands ends in the guest: 0, 1. */
async function codes(box: Sandbox, ...lines: string[]): Promise<string> {
  return (await guestOk(box, "a", lines.map((line) => `${line} 2>/dev/null; printf $?`).join("; "))).trim();
}

/** How long a command takes in the guest, in ms. */
async function time(box: Sandbox, line: string): Promise<number> {
  const now = "awk '{ print int($1 * 1000) }' /proc/uptime";
  return Number(await guestOk(box, "a", `a=$(${now}); ${line} 2>/dev/null; b=$(${now}); echo $((b - a))`));
}

/** Begins a fault of a's disk. */
async function begin(box: Sandbox, ...flags: string[]): Promise<string> {
  return JSON.parse((await box.ok("fault", "disk", "a", ...flags, "--json")).stdout).id;
}

/** Ends faults; their counts. */
async function heal(box: Sandbox, ...ids: string[]): Promise<Record<string, number>[]> {
  const { healed } = JSON.parse((await box.ok("heal", ...ids, "--json")).stdout);
  return healed.map(({ counts }: { counts: Record<string, number> }) => counts);
}

/** How many requests the one fault has made late so far. */
async function slowedOf(box: Sandbox): Promise<number> {
  const [{ counts }] = JSON.parse((await box.ok("fault", "ls", "--json")).stdout);
  return counts.slowed ?? 0;
}

test("a guest's disk fails and is slow as it is told to, and is as before when that ends", async () => {
  await using box = await sandbox({ warm: true, limitMs: 300_000 });
  await box.up("a", "--log-writes", "--egress", "off");
  await guestOk(box, "a", "sudo mount -o remount,commit=600,noinit_itable / && sudo chmod 666 /dev/vda && sync");
  assert.equal(await codes(box, READ + " count=1", WRITE + " count=1", SYNCED + " count=1"), "000");

  // One operation fails, the others do not.
  for (const [on, expected] of [["read", "100"], ["write", "011"], ["flush", "001"]]) {
    await begin(box, "--on", on, "--error", "EIO");
    assert.equal(await codes(box, READ + " count=1", WRITE + " count=1", SYNCED + " count=1"), expected, on);
    const [{ requests, failed }] = await heal(box);
    assert.ok(failed > 0 && failed <= requests, `${on}: ${failed} of ${requests}`);
    assert.equal(await codes(box, READ + " count=1", WRITE + " count=1", SYNCED + " count=1"), "000", on);
  }

  // The first one of several kinds, and no other one, also when another fault comes and goes.
  const once = await begin(box, "--on", "read,flush", "--once");
  assert.equal(await codes(box, WRITE + " count=1", READ + " count=1", READ + " count=1", SYNCED + " count=1"), "0100");
  const sector = await begin(box, "--on", "read", "--sectors", `${SECTOR + 3}`);
  const both = (await box.ok("fault", "ls")).stdout;
  assert.match(both, /reads and flushes fail \(EIO\), once +1 failed of \d+\n.*sector 8388611 +nothing yet/);
  assert.equal(await codes(box, READ + " count=1", READ.replace(`${BLOCK}`, `${BLOCK + 1}`) + " count=1"), "10");
  await heal(box, sector);
  assert.equal(await codes(box, READ + " count=1", SYNCED + " count=1"), "00");
  await heal(box, once);

  // A part of them: exact in each 1,000. The guest has little else to read.
  await begin(box, "--on", "read", "--rate", "1%", "--seed", "7");
  const { stderr } = await guest(box, "a", `${READ} conv=noerror count=2000`);
  const told = stderr.match(/Input\/output error/g)?.length ?? 0;
  const [{ requests, failed }] = await heal(box);
  assert.ok(told >= 19 && told <= 21 && failed >= told && failed <= 21, `told ${told}, ${failed} of ${requests}`);

  // Late, each kind by itself; reads and writes that are under way together are late together.
  const five = (line: string) => `for i in 0 1 2 3 4; do ${line} count=1; done`;
  const late: Record<string, string> = { read: five(READ), write: five(WRITE), flush: five(SYNCED) };
  for (const on of Object.keys(late)) {
    await begin(box, "--on", on, "--latency", "400ms");
    for (const [kind, line] of Object.entries(late)) {
      if (kind === "flush" && on === "write") continue; // it writes, too
      const before = await slowedOf(box);
      const took = await time(box, line);
      const slowed = await slowedOf(box) - before; // the guest's own requests are few
      const what = `${on} late: five of ${kind} took ${took} ms, ${slowed} were slowed`;
      assert.ok(kind === on ? took >= 2_000 && slowed >= 5 : slowed < 5, what);
    }
    await heal(box);
  }
  await begin(box, "--iops", "50");
  const took = await time(box, `${READ} count=100`);
  assert.ok(took >= 1_700, `100 reads took ${took} ms`);

  // A killed holder's fault goes on, and can be ended; the machine was never paused.
  await begin(box, "--on", "read", "--error", "EIO");
  await box.killHolder("a");
  await box.up("a", "--egress", "off");
  assert.equal(await codes(box, READ + " count=1"), "1");
  const status = await box.status("a");
  assert.deepEqual([status?.state, status?.error], ["running", undefined]);
  await heal(box);
  assert.equal(await codes(box, READ + " count=1", SYNCED + " count=1"), "00");
  assert.ok(await time(box, `${READ} count=100`) < 1_700);

  // A power cut under faults: the log has what reached the disk.
  await begin(box, "--on", "write", "--latency", "50ms");
  await begin(box, "--on", "write", "--sectors", `${SECTOR}-${SECTOR + 7}`);
  const marked = `printf '%4096d' 7 | dd of=/dev/vda bs=4k seek=${BLOCK + 1} oflag=direct conv=notrunc`;
  assert.equal(
    await codes(box, SYNCED.replace(`${BLOCK}`, `${BLOCK + 2}`) + " count=1", WRITE + " count=1", marked),
    "010",
  );
  const cut = await box.ok("stop", "a", "--force", "--lose-unflushed", "all", "--json");
  const { unflushed, lost } = JSON.parse(cut.stdout.trim().split("\n").at(-1)!).power_cuts[0];
  assert.ok(unflushed > 0 && lost === unflushed, cut.stdout);
  assert.deepEqual(await problemsOfImage(diskOf(box.store, box.store.config("a")!)), []);
  await box.up("a", "--egress", "off");
  const there = await guestOk(box, "a", `sudo dd if=/dev/vda bs=4k skip=${BLOCK + 1} count=1 2>/dev/null | tail -c 1`);
  assert.notEqual(there, "7");
});
