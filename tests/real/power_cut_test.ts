/** Power cuts that lose what a real guest has not flushed. */

import * as assert from "#assert";
import { diskOf, writeLogOf } from "../../src/store/disk.ts";
import { exists } from "../../src/system/files.ts";
import { problemsOfImage } from "../checkpoints/disks.ts";
import { fileWriter } from "../power_cuts/file_writer.ts";
import { acknowledged, complaints, prepareWriter, startWriter } from "../power_cuts/writer.ts";
import { guest, guestOk } from "../support/guest.ts";
import { until } from "../support/processes.ts";
import { MAY_MOUNT, type Sandbox, sandbox, test, told } from "../support/sandbox.ts";

const MARK = "7".padStart(4096);

/**
 * Writes a mark to the guest's disk, which is not flushed, while nothing else is being written. Nor does the file system commit by
 * itself, as it does every five seconds, nor set up its tables: on a slow host the cut would come later than that.
 */
async function writeMark(box: Sandbox): Promise<void> {
  await guestOk(
    box,
    "a",
    "sudo mount -o remount,commit=600,noinit_itable /; sync; printf '%4096d' 7 | dd of=blocks bs=4k conv=notrunc oflag=direct 2>/dev/null",
  );
}

const hasMark = async (box: Sandbox) => (await guestOk(box, "a", "head -c 4096 blocks")) === MARK;

async function cut(box: Sandbox, ...flags: string[]) {
  const { stdout } = await box.ok("stop", "a", "--force", "--lose-unflushed", ...flags, "--json");
  return JSON.parse(stdout.trim().split("\n").at(-1)!).power_cuts[0];
}

test("after a power cut each synced record is there, what was not synced is lost, and disk and file system are whole", async () => {
  await using box = await sandbox({ warm: true, limitMs: 300_000 });
  await box.up("a", "--log-writes");
  await prepareWriter(box, "a", fileWriter);

  // A machine that is killed without that loses nothing of this: the test could fail.
  await writeMark(box);
  await box.ok("stop", "a", "--force");
  await box.up("a");
  assert.ok(await hasMark(box), "the host has what the guest wrote");
  await guestOk(box, "a", "dd if=/dev/zero of=blocks bs=4k count=64 2>/dev/null; sync");

  await writeMark(box);
  const first = await cut(box, "all");
  assert.ok(first.unflushed > 0 && first.lost === first.unflushed, JSON.stringify(first));
  const config = box.store.config("a")!;
  assert.deepEqual(await problemsOfImage(diskOf(box.store, config)), []);
  assert.ok(!exists(writeLogOf(box.store, config)));
  await box.up("a");
  assert.ok(!await hasMark(box));

  let last = 0;
  for (const flags of [["random", "--seed", "7"], ["torn", "--seed", "8"]]) {
    const writer = startWriter(box, "a", fileWriter, last);
    await writer.printed(/^(\d+\n){3}/);
    const { lost } = await cut(box, ...flags);
    await writer.done.catch(() => {});
    const acked = acknowledged(writer, last);
    await box.up("a");
    const found = await fileWriter.count(box, "a");
    assert.ok(acked >= last + 3 && found >= acked, `${flags}: ${acked} acknowledged, ${found} there, ${lost} lost`);
    assert.deepEqual(await complaints(box, "a"), []);
    await guestOk(box, "a", `head -n ${acked} records > kept; mv kept records; sync`);
    last = acked;
  }
});

test("a machine whose writes are logged is saved, forked, suspended and adopted, and its power can be cut then", async () => {
  await using box = await sandbox({ warm: true, limitMs: 300_000 });
  await box.up("a", "--log-writes");
  await prepareWriter(box, "a", fileWriter);
  await box.ok("checkpoint", "a", "--as", "one");
  await guestOk(box, "a", "echo after > after; sync");
  await writeMark(box);
  assert.ok((await cut(box, "all")).lost > 0);
  await box.up("a");
  assert.equal(await guestOk(box, "a", "cat after"), "after\n");
  assert.ok(!await hasMark(box));

  await box.ok("suspend", "a");
  await box.up("a");
  await guestOk(box, "a", "echo resumed > resumed; sync");
  await box.killHolder("a");
  await writeMarkAfter(box);
  const again = await cut(box, "all");
  assert.ok(again.lost > 0, JSON.stringify(again));
  await box.up("a");
  assert.equal(await guestOk(box, "a", "cat after resumed"), "after\nresumed\n");
  assert.ok(!await hasMark(box));

  const fork = await box.ok("fork", "one", "--as", "f");
  await guestOk(box, "f-a", "echo fork > fork; sync");
  const { stdout } = await box.ok("stop", "f-a", "--force", "--lose-unflushed", "all");
  assert.match(stdout, /f-a: (\d+ of \d+ unflushed writes lost|all writes were flushed)/, told(fork));
  await box.ok("up", "f-a");
  assert.equal(await guestOk(box, "f-a", "cat fork; ls"), "fork\nblocks\nfork\nrecords\n");
});

/** With a new holder, which has adopted the machine. */
async function writeMarkAfter(box: Sandbox): Promise<void> {
  await box.up("a");
  await writeMark(box);
}

test("a long log of writes starts over, and a power cut loses nothing older", async () => {
  await using box = await sandbox({ warm: true, limitMs: 400_000, env: { FLEETBOX_WRITE_LOG: "64M" } });
  await box.up("a", "--log-writes");
  await prepareWriter(box, "a", fileWriter);
  const before = box.store.config("a")!.disk_file;
  const write = "for n in 1 2 3 4 5; do head -c 20000000 /dev/urandom > big; sync; done; sha256sum big > sum; sync";
  await guestOk(box, "a", `echo old > old; sync; ${write}`);
  await until("it starts over", () => /its log of writes starts over: it is long/.test(box.holderLog("a")), 30_000);
  assert.notEqual(box.store.config("a")!.disk_file, before);
  await writeMark(box);
  assert.ok((await cut(box, "all")).lost > 0);
  await box.up("a");
  assert.match(await guestOk(box, "a", "cat old; sha256sum -c sum"), /^old\nbig: OK\n$/);
  assert.ok(!await hasMark(box));
});

test(
  "after a write that found no space the log starts over, and a power cut loses nothing older",
  async () => {
    await using box = await sandbox({ storeKiB: 256 * 1024, limitMs: 400_000 });
    await box.up("a", "--log-writes");
    await prepareWriter(box, "a", fileWriter);
    const line =
      "head -c 8000000 /dev/urandom > /dev/shm/data; cp /dev/shm/data big; sync; sha256sum big > sum; sync; echo $? > code";
    const begun = guest(box, "a", `setsid sh -c '${line}' < /dev/null > /dev/null 2>&1 &`);
    {
      // Whatever becomes free meanwhile is taken at once: else the log could start over too soon.
      using _full = fill(`${box.home}/ballast`);
      await until("a is paused", async () => (await box.status("a"))?.stage === "paused", 300_000);
      const lose = ["stop", "a", "--force", "--lose-unflushed", "all"];
      await box.fails(1, /its log of writes has a gap, because a write failed/, ...lose);
    }
    await until("it starts over", () => /starts over: a write had failed/.test(box.holderLog("a")), 60_000);
    await guestOk(box, "a", "until [ -e code ]; do sleep 0.2; done");
    await begun;
    await writeMark(box);
    assert.ok((await cut(box, "all")).lost > 0);
    await box.up("a");
    assert.match(await guestOk(box, "a", "sha256sum -c sum"), /^big: OK\n$/);
    assert.ok(!await hasMark(box));
    assert.deepEqual(await complaints(box, "a"), []);
  },
  { ignore: !MAY_MOUNT },
);

/** Fills a file system, and keeps it full until it goes out of scope. */
function fill(path: string): Disposable {
  const file = Deno.openSync(path, { create: true, write: true });
  const piece = new Uint8Array(64 * 1024).fill(1);
  const write = () => {
    try {
      for (;;) file.writeSync(piece);
    } catch { /* it is full */ }
  };
  write();
  const timer = setInterval(write, 10);
  return {
    [Symbol.dispose]() {
      clearInterval(timer);
      file.close();
      Deno.removeSync(path);
    },
  };
}
