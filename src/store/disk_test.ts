import * as assert from "#assert";
import { join } from "../system/path.ts";
import { parseConfig, Store } from "../store.ts";
import { diskOf, hasDisk } from "./disk.ts";
import { configOf } from "./snapshots/testing.ts";

const CONFIG = configOf("a");

Deno.test("disk: a member's disk is disk.qcow2, or the file that its config names", () => {
  const store = Store.at("/s");
  assert.equal(diskOf(store, CONFIG), "/s/clusters/a/a/disk.qcow2");
  assert.equal(diskOf(store, { ...CONFIG, disk_file: "disk-12.qcow2" }), "/s/clusters/a/a/disk-12.qcow2");
});

Deno.test("disk: what a config says of its disk is checked: it becomes paths", () => {
  const parse = (more: object) => parseConfig(JSON.stringify({ ...CONFIG, ...more }), "a");
  const id = "0123456789abcdef";
  const right = { disk_file: "disk-1.qcow2", layers: [id, "f".repeat(16)], template: id, from_checkpoint: "base-1" };
  assert.deepEqual(parse(right), { ...CONFIG, ...right });
  assert.equal(parse({ disk_file: "disk.qcow2", layers: [] }).disk_file, "disk.qcow2");
  for (
    const disk_file of ["disk-0.qcow2", "disk-01.qcow2", "disk-1.qcow2\n", "../disk.qcow2", "disk-1234567.qcow2", "", 1]
  ) {
    assert.throws(() => parse({ disk_file }), /its "disk_file" is .*, expected disk.qcow2 or disk-<n>.qcow2/);
  }
  for (const layers of [id, [id.slice(1)], [`${id}0`], ["../../../../a"], [null], [[id]], {}]) {
    assert.throws(() => parse({ layers }), /its "layers" is .*, expected a list of layers' ids/);
  }
  for (const template of ["x", "0123456789ABCDEF", 1]) assert.throws(() => parse({ template }), /its "template"/);
  for (const from_checkpoint of ["", "..", "a/b", "-a"]) assert.throws(() => parse({ from_checkpoint }), /its "from_/);
});

Deno.test("disk: a disk of any of its names without a config is damage", () => {
  const root = Deno.makeTempDirSync({ prefix: "di" });
  try {
    const store = Store.at(join(root, "s"));
    const { dir } = store.member("a");
    Deno.mkdirSync(dir, { recursive: true });
    for (const other of ["seed.img", "disk-0.qcow2", "xdisk.qcow2", "disk.qcow2.1-0123abcd.tmp"]) {
      Deno.writeTextFileSync(join(dir, other), "");
    }
    assert.equal(hasDisk(dir), false);
    assert.equal(store.readMember("a"), undefined);
    Deno.writeTextFileSync(join(dir, "disk-3.qcow2"), "");
    assert.equal(hasDisk(dir), true);
    assert.throws(() => store.config("a"), /it is missing, and there is a disk/);
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
});
