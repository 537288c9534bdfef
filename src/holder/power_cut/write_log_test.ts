/** With the real `qemu-img`, and no machine. */

import * as assert from "#assert";
import { exists, namesIn } from "../../system/files.ts";
import { run } from "../../system/process.ts";
import { diskOf, writeLogOf } from "../../store/disk.ts";
import { addMember, withStore } from "../../store/snapshots/testing.ts";
import type { Store } from "../../store.ts";
import { qemu } from "../../vmm/qemu/driver.ts";
import { beginLog } from "./write_log.ts";

const MIB = 1024 * 1024;

/** A member on a real image, and what begins a log for it. */
async function memberOf(store: Store) {
  const image = { disk: `${store.root}/image.raw`, format: "raw" as const };
  Deno.writeFileSync(image.disk, new Uint8Array(MIB).fill(1));
  const config = await addMember(store, "a", { disk_mb: 1, log_writes: true });
  Deno.removeSync(diskOf(store, config));
  await qemu.disks.overlay(diskOf(store, config), image, 1);
  const begin = (boots = true) =>
    store.withMemberLock("a", () => beginLog(store, store.config("a")!, image, { disks: qemu.disks, boots }));
  return { begin, files: () => namesIn(store.member("a").dir).filter((name) => /^disk/.test(name)).sort() };
}

async function write(disk: string, at: number, byte: number): Promise<void> {
  await run("qemu-io", ["-f", "qcow2", "-c", `write -q -P ${byte} ${at} 512`, disk]);
}

async function contentOf(disk: string): Promise<Uint8Array> {
  await run("qemu-img", ["convert", "-O", "raw", disk, `${disk}.raw`]);
  const content = Deno.readFileSync(`${disk}.raw`);
  Deno.removeSync(`${disk}.raw`);
  return content;
}

Deno.test("a log begins with a new disk, on the one that the member had, and the earlier log is gone", () =>
  withStore(async (store) => {
    const { begin, files } = await memberOf(store);
    const first = await begin();
    assert.deepEqual(files(), ["disk-1.qcow2", "disk-1.writes"]);
    assert.deepEqual(store.config("a"), first);
    Deno.writeTextFileSync(writeLogOf(store, first), "written");
    await begin();
    assert.deepEqual(files(), ["disk-2.qcow2", "disk-2.writes"]);
    assert.equal(Deno.statSync(writeLogOf(store, store.config("a")!)).size, 0);
  }));

Deno.test("a member whose writes are not logged keeps its disk, and has no log", () =>
  withStore(async (store) => {
    const { begin, files } = await memberOf(store);
    const before = await begin();
    await store.withMemberLock("a", () => store.writeConfig({ ...before, log_writes: false }));
    await begin();
    assert.deepEqual(files(), ["disk-1.qcow2"]);
    assert.ok(exists(diskOf(store, before)));
  }));

Deno.test("many layers are merged into the disk, which reads as before, and only at a boot", () =>
  withStore(async (store) => {
    const { begin } = await memberOf(store);
    const expected = new Uint8Array(MIB).fill(1);
    let most = 0;
    for (let round = 0; round < 20; round++) {
      const config = await begin();
      most = Math.max(most, config.layers!.length);
      await write(diskOf(store, config), round * 1024, 100 + round);
      expected.fill(100 + round, round * 1024, round * 1024 + 512);
      assert.deepEqual(await contentOf(diskOf(store, config)), expected);
    }
    assert.equal(most, 16);
    const { layers } = store.config("a")!;
    assert.equal(layers!.length, 4);
    assert.equal(namesIn(`${store.snapshotsDir}/layers`).length, 4);

    while ((await begin(false)).layers!.length < 18);
    assert.deepEqual(await contentOf(diskOf(store, store.config("a")!)), expected);
  }));
