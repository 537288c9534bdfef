import * as assert from "#assert";
import { join } from "../../system/path.ts";
import { exists } from "../../system/files.ts";
import type { Store } from "../../store.ts";
import { diskOf } from "../disk.ts";
import { collectLayers, freezeDisk, snapshotPaths, unlinkFrozen } from "../snapshots.ts";
import { nextDiskFile } from "./freeze.ts";
import { addMember, hasLayer, names, withStore } from "./testing.ts";

/** An overlay that says what it is based on. */
const overlay = (path: string, base: { disk: string }) => Deno.writeTextFile(path, `on ${base.disk}`);

const disksOf = (store: Store) => names(store.member("a").dir).filter((name) => name.startsWith("disk"));

Deno.test("freeze: the disk becomes a layer, and an overlay on it the disk; again, and again", () =>
  withStore(async (store) => {
    const first = await addMember(store, "a");
    const { layer } = snapshotPaths(store);
    const frozen = await freezeDisk(store, first, async (path, base) => {
      await overlay(path, base);
      // A process that is killed here has a member as it was: the config comes last, when all that it names is there.
      assert.ok(exists(base.disk));
      assert.deepEqual(store.config("a"), first);
    });
    assert.deepEqual(store.config("a"), frozen);
    assert.deepEqual([frozen.disk_file, frozen.layers?.length], ["disk-1.qcow2", 1]);
    assert.equal(Deno.readTextFileSync(diskOf(store, frozen)), `on ${layer(frozen.layers![0])}`);
    assert.equal(Deno.readTextFileSync(layer(frozen.layers![0])), "a");
    // Until the machine writes to the overlay, both names are there.
    assert.deepEqual(disksOf(store), ["disk-1.qcow2", "disk.qcow2"]);
    await unlinkFrozen(store, frozen);
    assert.deepEqual(disksOf(store), ["disk-1.qcow2"]);
    const again = await freezeDisk(store, frozen, overlay);
    assert.deepEqual([again.disk_file, again.layers!.slice(1)], ["disk-2.qcow2", frozen.layers]);
    await unlinkFrozen(store, again);
    assert.deepEqual(disksOf(store), ["disk-2.qcow2"]);
    assert.deepEqual((await collectLayers(store)).removed, []);
  }));

Deno.test("freeze: what fails leaves the member as it was, and no layer", () =>
  withStore(async (store) => {
    const config = await addMember(store, "a");
    const { dir, config: file, disk } = store.member("a");
    const before = names(dir);
    const failing = async (path: string) => {
      await Deno.writeTextFile(path, "half");
      throw new Error("No space left on device (os error 28)");
    };
    await assert.rejects(freezeDisk(store, config, failing), /Cannot freeze the disk of "a": no space left/);
    // The config cannot be written.
    const away = `${file}.away`;
    const spoiling = async (path: string, base: { disk: string }) => {
      await overlay(path, base);
      Deno.renameSync(file, away);
      Deno.mkdirSync(join(file, "x"), { recursive: true });
    };
    await assert.rejects(freezeDisk(store, config, spoiling), /Cannot write .*config.json/);
    // What the config says is unknown then, so what it may name stays.
    Deno.removeSync(file, { recursive: true });
    Deno.renameSync(away, file);
    assert.deepEqual(disksOf(store), ["disk-1.qcow2", "disk.qcow2"]);
    assert.equal((await collectLayers(store)).removed.length, 1, "the config names no layer");
    Deno.removeSync(join(dir, "disk-1.qcow2"));
    assert.deepEqual(names(dir), before);
    assert.deepEqual([names(snapshotPaths(store).layersDir), Deno.readTextFileSync(disk)], [[], "a"]);
  }));

Deno.test("freeze: only names of what is a layer are removed, never a disk", () =>
  withStore(async (store) => {
    const frozen = await freezeDisk(store, await addMember(store, "a"), overlay);
    const { dir } = store.member("a");
    Deno.writeTextFileSync(join(dir, "disk-7.qcow2"), "a user's copy");
    Deno.writeTextFileSync(join(dir, "seed.img"), "");
    // The config was put back by hand: its disk is the layer's file, and stays.
    await unlinkFrozen(store, { ...frozen, disk_file: undefined });
    assert.deepEqual(disksOf(store), ["disk-1.qcow2", "disk-7.qcow2", "disk.qcow2"]);
    // The layer is gone: the old name is the only one.
    const layer = snapshotPaths(store).layer(frozen.layers![0]);
    Deno.renameSync(layer, `${layer}.away`);
    await unlinkFrozen(store, frozen);
    assert.ok(exists(join(dir, "disk.qcow2")));
    Deno.renameSync(`${layer}.away`, layer);
    await unlinkFrozen(store, frozen);
    assert.deepEqual(disksOf(store), ["disk-1.qcow2", "disk-7.qcow2"]);
    assert.ok(hasLayer(store, frozen.layers![0]));
    assert.equal((await freezeDisk(store, frozen, overlay)).disk_file, "disk-8.qcow2");
  }));

Deno.test("freeze: a new disk's number is above those of all others", () => {
  assert.equal(nextDiskFile([]), "disk-1.qcow2");
  assert.equal(nextDiskFile(["disk.qcow2", "config.json"]), "disk-1.qcow2");
  assert.equal(nextDiskFile(["disk-9.qcow2", "disk-10.qcow2", "disk-11.qcow2.1-0123abcd.tmp"]), "disk-11.qcow2");
});
