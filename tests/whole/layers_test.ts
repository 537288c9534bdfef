/** Members whose disks are based on layers of snapshots, against the fake QEMU. */

import * as assert from "#assert";
import { run } from "../../src/system/process.ts";
import { exists, namesIn } from "../../src/system/files.ts";
import { diskOf } from "../../src/store/disk.ts";
import { claimLayers, freezeDisk, snapshotPaths, unlinkFrozen } from "../../src/store/snapshots.ts";
import { driver } from "../../src/vmm/driver.ts";
import { sandbox, test, told } from "../support/sandbox.ts";
import { talkJson } from "../support/socket.ts";

test("a member whose disk became a layer goes on with another file; one on the same layer gets a disk of its own", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const { store } = box;
  await box.up("a");
  await box.ok("stop", "a");
  const before = store.config("a")!;
  const frozen = await store.withMemberLock("a", async () => {
    const config = await freezeDisk(store, before, driver.disks.overlay);
    await unlinkFrozen(store, config);
    return config;
  });
  const [layer] = frozen.layers!.map(snapshotPaths(store).layer);
  assert.ok(!exists(store.member("a").disk) && exists(layer));

  await box.up("a");
  const disk = diskOf(store, frozen);
  assert.match(disk, /\/disk-1\.qcow2$/);
  assert.ok(box.process("machine", "a").command.includes(`filename=${disk}`));
  assert.match((await box.ok("status", "a")).stdout, /^disk +10G, .*\/disk-1\.qcow2$/m);
  assert.equal(JSON.parse((await box.ok("status", "a", "--json")).stdout).paths.disk, disk);

  // A new one on the layer, as a start from a template makes it.
  const { layers, image_id } = frozen;
  const config = { ...before, name: "b", layers, image_id, instance_id: "b", group: undefined };
  await store.withMemberLock("b", () => claimLayers(store, config));
  const up = await box.up("b");
  const backing = async (path: string) =>
    JSON.parse(await run("qemu-img", ["info", "-U", "--output=json", path]))["backing-filename"];
  assert.equal(await backing(store.member("b").disk), layer, told(up));
  assert.equal(await backing(disk), layer);

  await box.ok("rm", "-f", "a");
  assert.ok(exists(layer), "b's disk is based on it");
  await box.ok("rm", "-f", "b");
  assert.ok(!exists(layer));
});

test("a member that is taken back while others run keeps that disk: when it is suspended, and when it stops", async () => {
  await using box = await sandbox({ fakeQemu: {}, fakeSsh: true });
  const disks = () => namesIn(box.store.member("b").dir).filter((name) => name.startsWith("disk"));
  await box.up("a,b");
  await box.ok("checkpoint", "a,b", "--as", "seeded");
  await box.ok("stop", "--force", "b");
  // As the library's `vm.restore()` does it.
  const snapshot = { checkpoint: "seeded", members: { b: "b" }, replace: true };
  const replies = await talkJson(box.store.memberSocket("a"), { op: "add", name: "b", options: { snapshot } });
  assert.deepEqual(replies.at(-1), { event: "done" }, JSON.stringify(replies));
  const { disk_file } = box.store.config("b")!;
  assert.deepEqual(disks(), [disk_file]);
  await box.ok("suspend", "b");
  assert.match((await box.up("b")).stdout, /^b: running \([\d.]+ s, warm\)$/m);
  await box.ok("stop", "--force", "b");
  const stopped = box.store.config("b")!;
  assert.deepEqual([stopped.disk_file, stopped.from_checkpoint, disks()], [disk_file, "seeded", [disk_file]]);
  await box.up("b");
});
