/** Power cuts that tear writes, and of real machines that are saved, whose log of writes is long, and whose disk was full. */

import * as assert from "#assert";
import { fileWriter } from "../power_cuts/file_writer.ts";
import { cut, cutsWhileWriting, hasMark, writeMark } from "../power_cuts/mark.ts";
import { complaints, prepareWriter } from "../power_cuts/writer.ts";
import { guest, guestOk } from "../support/guest.ts";
import { until } from "../support/processes.ts";
import { MAY_MOUNT, type Sandbox, sandbox, test, told } from "../support/sandbox.ts";

test("after power cuts that lose or tear writes at random, while the guest writes, each synced record is there", async () => {
  await using box = await sandbox({ warm: true, limitMs: 300_000 });
  await box.up("a", "--log-writes");
  await prepareWriter(box, "a", fileWriter);
  await cutsWhileWriting(box, ["random", "--seed", "7"], ["torn", "--seed", "8"]);
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
