/** Power cuts that lose what was not flushed, against the fake QEMU: who may be cut, and what is left. Its guest writes nothing. */

import * as assert from "#assert";
import { diskOf, writeLogOf } from "../../src/store/disk.ts";
import { exists, namesIn } from "../../src/system/files.ts";
import { sandbox, test, told } from "../support/sandbox.ts";

test("a power cut ends a member whose writes are logged, and says what it did; its disk is another one then", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const { store } = box;
  const { dir } = store.member("a");
  const files = () => namesIn(dir).filter((name) => /^disk/.test(name)).sort();
  await box.up("a", "--log-writes");
  assert.deepEqual(files(), ["disk-1.qcow2", "disk-1.writes"]);
  assert.match(box.process("machine", "a").command, /driver=blklogwrites,node-name=disk-log,file=disk,/);

  const result = await box.ok("stop", "a", "--force", "--lose-unflushed", "all");
  assert.match(result.stdout, /^a: stopped .*\na: all writes were flushed, so none was lost\n$/m, told(result));
  assert.equal(await box.states(), "a=stopped");
  assert.deepEqual(files(), ["disk-2.qcow2"]);
  assert.equal(diskOf(store, store.config("a")!), `${dir}/disk-2.qcow2`);

  // It is kept with the member; and ends with --no-log-writes.
  await box.up("a");
  assert.deepEqual(files(), ["disk-3.qcow2", "disk-3.writes"]);
  const json = await box.ok("stop", "a", "--lose-unflushed", "torn", "--seed", "7", "--json");
  const { power_cuts } = JSON.parse(json.stdout.trim().split("\n").at(-1)!);
  assert.deepEqual(power_cuts, [{ name: "a", mode: "torn", seed: 7, unflushed: 0, lost: 0 }]);
  await box.up("a", "--no-log-writes");
  assert.deepEqual(files(), ["disk-4.qcow2"]);
});

test("an ordinary stop, with force or without, keeps the disk, and the next start begins another log", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a", "--log-writes");
  for (const flags of [[], ["--force"], ["--force", "--lose-unflushed", "none"]]) {
    const disk = diskOf(box.store, box.store.config("a")!);
    await box.ok("stop", "a", ...flags);
    assert.equal(diskOf(box.store, box.store.config("a")!), disk);
    await box.up("a");
    assert.notEqual(diskOf(box.store, box.store.config("a")!), disk);
    assert.ok(!exists(disk) && exists(writeLogOf(box.store, box.store.config("a")!)));
  }
});

test("a member whose writes are not logged is not cut, and runs on; nor one whose log is gone", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  const lose = ["--force", "--lose-unflushed", "all"];
  await box.fails(
    1,
    [/its writes are not logged/, /fleetbox stop a, then fleetbox up a --log-writes/],
    "stop",
    "a",
    ...lose,
  );
  assert.equal(await box.states(), "a=running");
  const note = await box.up("a", "--log-writes");
  assert.match(note.stderr, /a runs without --log-writes: that begins and ends with a boot/, told(note));
  assert.equal(box.store.config("a")!.log_writes, undefined);

  await box.up("b", "--log-writes");
  Deno.removeSync(writeLogOf(box.store, box.store.config("b")!));
  await box.fails(1, [/its log of writes has a gap/], "stop", "b", ...lose);
  // A file in its place is not the one that QEMU writes.
  assert.equal(await box.states(), "a=running b=running");
  assert.match(
    (await box.ok("stop", "c", ...lose).catch((thrown) => ({ stdout: String(thrown) }))).stdout,
    /no member "c"/,
  );
});

test("what was asked wrongly is refused before anything is stopped", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a", "--log-writes");
  await box.fails(2, /found "some", expected none, all, random or torn/, "stop", "a", "--lose-unflushed", "some");
  await box.fails(2, /--seed is for --lose-unflushed random or torn/, "stop", "a", "--seed", "7");
  await box.fails(2, /--seed is for/, "stop", "a", "--lose-unflushed", "all", "--seed", "7");
  await box.fails(2, /Bad value for --seed/, "stop", "a", "--lose-unflushed", "random", "--seed", "x");
  await box.fails(2, /--grace or --lose-unflushed/, "stop", "a", "--lose-unflushed", "all", "--grace", "3s");
  assert.equal(await box.states(), "a=running");
});

test("a machine whose holder was killed has its log still; one that its new holder cuts has what it had flushed", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a", "--log-writes");
  const log = writeLogOf(box.store, box.store.config("a")!);
  await box.killHolder("a");
  const result = await box.ok("stop", "a", "--force", "--lose-unflushed", "random", "--seed", "3");
  assert.match(result.stdout, /a: all writes were flushed/, told(result));
  assert.ok(!exists(log));
  await box.up("a");
});

test("what a holder that was killed in the middle of a cut has left goes with the next start, whichever disk its config names", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const { store } = box;
  const { dir } = store.member("a");
  const files = () => namesIn(dir).filter((name) => /^disk/.test(name)).sort();
  await box.up("a", "--log-writes");
  await box.ok("stop", "a", "--force");
  // Killed before the config named the new disk.
  Deno.copyFileSync(`${dir}/disk-1.qcow2`, `${dir}/disk-2.qcow2`);
  await box.up("a");
  await box.ok("stop", "a", "--force");
  const [disk, log] = files();
  const [, number] = /^disk-(\d+)\.qcow2$/.exec(disk)!;
  assert.deepEqual([files().length, log], [2, `disk-${number}.writes`]);
  // And after it.
  const next = `disk-${Number(number) + 1}.qcow2`;
  Deno.copyFileSync(`${dir}/${disk}`, `${dir}/${next}`);
  await store.withMemberLock("a", () => store.writeConfig({ ...store.config("a")!, disk_file: next }));
  await box.up("a");
  assert.equal(files().length, 2, `${files()}`);
  assert.equal(diskOf(store, store.config("a")!), `${dir}/${files()[0]}`);
});
