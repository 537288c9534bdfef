import * as assert from "#assert";
import { join } from "../../src/system/path.ts";
import { run } from "../../src/system/process.ts";
import { Workspace } from "./machine.ts";
import { FakeMemory } from "./snapshots.ts";
import { WrittenDisk } from "./written_disk.ts";

Deno.test("a memory fits the disk to which it wrote last, and overlays on that; not an older or a newer one", async () => {
  await using place = new Workspace();
  const at = (name: string) => join(place.path, name);
  const torn = () => {
    try {
      return Deno.readTextFileSync(at("torn")).trim().split("\n").length;
    } catch {
      return 0;
    }
  };
  const disk = async (name: string, base?: string) => {
    const below = base === undefined ? [] : ["-b", at(base), "-F", "qcow2"];
    await run("qemu-img", ["create", "-q", "-f", "qcow2", ...below, at(name), "16M"]);
    return at(name);
  };
  const memory = new FakeMemory(true, 1, place.path);
  const first = new WrittenDisk(place.path, memory, await disk("first"));
  first.check();
  assert.equal(torn(), 1, "nothing was written yet");
  first.write();
  const saved = memory.written;
  await disk("second", "first");
  new WrittenDisk(place.path, memory, await disk("third", "second")).check();
  assert.equal(torn(), 1);

  const second = new WrittenDisk(place.path, memory, at("second"));
  second.write();
  second.check();
  assert.equal(torn(), 1);
  first.check();
  assert.equal(torn(), 2, "an older disk");
  memory.written = saved;
  first.check();
  assert.equal(torn(), 2);
  new WrittenDisk(place.path, memory, at("third")).check();
  assert.equal(torn(), 3, "a newer disk");
});
