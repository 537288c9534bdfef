import * as assert from "#assert";
import { join } from "../../system/path.ts";
import { checkShareOutsideStore } from "./shared_directories.ts";
import { mountScript } from "./shares.ts";

Deno.test("a share is mounted once, and again at each boot, at any path", () => {
  const dir = Deno.makeTempDirSync();
  try {
    // The guest's programs, and its files, by another name.
    const script = mountScript([`${dir}/it's a "place" $x`, `${dir}/b`])
      .replaceAll("/etc/fstab", `${dir}/fstab`).replaceAll("/proc/mounts", `${dir}/mounts`);
    const mount = `#!/bin/sh\necho "$3 on $4" >>${dir}/calls\n[ "$3" != fb-share-1 ]\n`;
    Deno.writeTextFileSync(join(dir, "mount"), mount, { mode: 0o755 });
    Deno.writeTextFileSync(join(dir, "fstab"), "");
    Deno.writeTextFileSync(join(dir, "mounts"), "");
    const run = () => new Deno.Command("sh", { args: ["-c", `PATH=${dir}:$PATH; ${script}`] }).outputSync().code;
    assert.equal(run(), 1, "one of them is not mounted");
    Deno.writeTextFileSync(join(dir, "mounts"), "fb-share-0 x\nfb-share-1 x\n");
    assert.equal(run(), 0);
    assert.equal(
      Deno.readTextFileSync(join(dir, "calls")),
      `fb-share-0 on ${dir}/it's a "place" $x\nfb-share-1 on ${dir}/b\n`,
    );
    const [first, second, ...rest] = Deno.readTextFileSync(join(dir, "fstab")).trimEnd().split("\n");
    assert.equal(first, `fb-share-0 ${dir}/it's\\040a\\040"place"\\040$x virtiofs defaults,nofail 0 0`);
    assert.equal(second, `fb-share-1 ${dir}/b virtiofs defaults,nofail 0 0`);
    assert.deepEqual(rest, []);
    assert.ok(Deno.statSync(`${dir}/it's a "place" $x`).isDirectory);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
});

Deno.test("no share has the store in it, or is in it, also by a link", () => {
  const dir = Deno.makeTempDirSync();
  try {
    for (const name of ["home/store/images", "home/work", "other"]) {
      Deno.mkdirSync(join(dir, name), { recursive: true });
    }
    Deno.symlinkSync(join(dir, "home"), join(dir, "link"));
    const store = join(dir, "home/store");
    const check = (path: string) => checkShareOutsideStore(store, [{ host_path: path, guest_path: "/x" }]);
    for (const bad of ["", "home", "home/store", "home/store/images", "link", "link/store"]) {
      assert.throws(() => check(join(dir, bad)), /Cannot share .* read-write: the store .* is in it/, bad);
    }
    assert.throws(() => check("/"), /Cannot share/);
    for (const good of ["home/work", "other", "link/work"]) check(join(dir, good));
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
});
