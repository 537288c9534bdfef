import * as assert from "#assert";
import { freeBytes, parseFree } from "./free_bytes.ts";

Deno.test("the free space of a directory is what statfs says, give or take what others write meanwhile", async () => {
  const { statfs } = await import("node:fs/promises");
  const { bavail, bsize } = await statfs("/tmp");
  const free = await freeBytes("/tmp");
  assert.ok(Math.abs(free - bavail * bsize) < 2 ** 30, `${free}, expected about ${bavail * bsize}`);
});

Deno.test("a directory that is not there is told", async () => {
  await assert.rejects(freeBytes("/nowhere at all"), /df.*nowhere at all/s);
});

Deno.test("names with spaces, disks without a size, and more than is free", () => {
  const output = (line: string) => `Filesystem 1024-blocks Used Available Capacity Mounted on\n${line}\n`;
  assert.equal(parseFree(output("/dev/vda1 100 30 70 30% /")), 70);
  assert.equal(parseFree(output("//host/my files 9 8 1 89% /mnt/100 200 300 4% x")), 1);
  assert.equal(parseFree(output("none 0 0 0 - /proc")), 0);
  assert.equal(parseFree(output("/dev/vda1 100 105 -5 106% /")), 0);
  assert.throws(() => parseFree("df: what?"), /does not say how much is free: df: what\?/);
});
