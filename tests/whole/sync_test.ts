/**
 * `fleetbox sync`, with a guest whose shell is this host's: a fake `ssh` runs the script in a directory that is the home of the
 * guest's user.
 */

import * as assert from "#assert";
import { join } from "../../src/system/path.ts";
import { until } from "../support/processes.ts";
import { type Sandbox, sandbox, test, told } from "../support/sandbox.ts";

/** A home for the guest's user, with a fake ssh; whatever `before` says happens first in a connection. */
function guestOf(box: Sandbox, before = ""): { home: string; env: Record<string, string> } {
  const [home, bin] = [join(box.root, "guest"), join(box.root, "bin")];
  for (const path of [home, bin]) Deno.mkdirSync(path, { recursive: true });
  const script =
    `#!/bin/sh\nPATH=$PATH:/usr/bin:/bin\nexport HOME=${home}\ncd\nfor word; do :; done\n${before}\nexec sh -c "$word"\n`;
  Deno.writeTextFileSync(join(bin, "ssh"), script, { mode: 0o755 });
  return { home, env: { PATH: `${bin}:${box.env.PATH}` } };
}

/** All below a directory: kinds, permissions, contents. */
function seen(dir: string, above = ""): string[] {
  return [...Deno.readDirSync(dir)].toSorted((a, b) => a.name < b.name ? -1 : 1).flatMap(({ name }) => {
    const [path, shown] = [join(dir, name), `${above}${name}`];
    const info = Deno.lstatSync(path);
    if (info.isSymlink) return [`${shown} > ${Deno.readLinkSync(path)}`];
    const mode = (info.mode! & 0o777).toString(8);
    if (info.isDirectory) return [`${shown}/ ${mode}`, ...seen(path, `${shown}/`)];
    return [`${shown} ${mode} ${info.size < 1000 ? Deno.readTextFileSync(path) : info.size}`];
  });
}

test("sync makes a guest's directory the same, sends what changed, and removes with --delete alone", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const { home, env } = guestOf(box);
  await box.up("a");
  const src = join(box.root, "src");
  const put = (name: string, text: string, mode = 0o644) => {
    Deno.writeTextFileSync(join(src, name), text);
    Deno.chmodSync(join(src, name), mode);
    // Whole seconds of long ago: no file is of the present second, which would be waited for.
    Deno.utimeSync(join(src, name), 1e9, 1e9);
  };
  const long = "l".repeat(120);
  for (const dir of ["", "sub dir/deep", "empty", "ro", long]) Deno.mkdirSync(join(src, dir), { recursive: true });
  put("-dash", "1", 0o600);
  put("run me", "2", 0o755);
  put("new\nline", "3");
  put("größe'\"$(x)", "4");
  put("sub dir/deep/f", "5");
  put("ro/kept", "6");
  put(`${long}/${long}`, "7");
  Deno.symlinkSync("/etc/passwd", join(src, "link"));
  Deno.symlinkSync(`${long}/${long}`, join(src, "long link"));
  const hole = Deno.openSync(join(src, "holes"), { write: true, create: true, mode: 0o644 });
  hole.truncateSync(40 * 1024 * 1024 + 5);
  hole.seekSync(20 * 1024 * 1024 + 7, Deno.SeekMode.Start);
  hole.writeSync(new TextEncoder().encode("data"));
  hole.close();
  Deno.utimeSync(join(src, "holes"), 1e9, 1e9);
  Deno.chmodSync(join(src, "ro"), 0o555);
  const sync = async (...args: string[]) => {
    const result = await box.start(["sync", src, ...args], { env }).done;
    assert.equal(result.code, 0, told(result));
    return result.stdout;
  };

  assert.equal(await sync("a:to/here"), "a:to/here  15 sent (1M)\n");
  const there = join(home, "to/here");
  assert.deepEqual(seen(there), seen(src));
  const copy = Deno.statSync(join(there, "holes"));
  assert.ok(copy.blocks! * 512 < 8 * 1024 * 1024, `${copy.blocks} blocks`);
  assert.deepEqual(Deno.readFileSync(join(there, "holes")), Deno.readFileSync(join(src, "holes")));
  assert.equal(await sync("a:to/here"), "a:to/here  up to date\n");

  put("-dash", "one", 0o600);
  Deno.chmodSync(join(src, "run me"), 0o700);
  Deno.removeSync(join(src, "sub dir"), { recursive: true });
  put("sub dir", "a file now");
  Deno.removeSync(join(src, "empty"));
  Deno.symlinkSync("ro", join(src, "empty"));
  Deno.writeTextFileSync(join(there, "its own"), "");
  // A link out of the directory, where a directory should be: what is beyond it is not touched.
  Deno.removeSync(join(there, long), { recursive: true });
  Deno.mkdirSync(join(home, "beyond"));
  Deno.symlinkSync("../../beyond", join(there, long));
  const before = seen(there);
  const dry = await sync("a:to/here", "--delete", "--dry-run");
  assert.match(
    dry,
    /^send {2}-dash\n[^]*^remove {2}its own\n^a:to\/here {2}6 would be sent \(1K\), 1 would be removed\n$/m,
  );
  assert.deepEqual(seen(there), before);

  const refused = await box.start(["sync", src, "a:to/here"], { env }).done;
  assert.equal(refused.code, 1);
  assert.match(
    refused.stderr,
    /^a:to\/here {2}sub dir: a directory is in its place in the guest; --delete replaces it$/m,
  );
  assert.ok(seen(there).includes("its own 644 "));
  assert.equal(await sync("a:to/here", "--delete", "--exclude", "*.o"), "a:to/here  2 sent (1K), 1 removed\n");
  assert.deepEqual(seen(there), seen(src));
  assert.deepEqual(seen(join(home, "beyond")), []);
});

test.source("a sync that cannot be done says why, and changes nothing", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const { home, env } = guestOf(box);
  await box.up("a");
  const src = join(box.root, "src");
  Deno.mkdirSync(src);
  Deno.writeTextFileSync(join(src, "f"), "1");
  Deno.writeTextFileSync(join(home, "file"), "");
  const fails = async (code: number, words: RegExp, ...args: string[]) => {
    const result = await box.start(["sync", ...args], { env }).done;
    assert.equal(result.code, code, told(result));
    assert.match(result.stderr, words);
  };
  await fails(2, /Where to\? For example: fleetbox sync/, src);
  await fails(2, /Not a directory of a member: found "\.\/b", expected NAME:DIR/, src, "./b");
  await fails(2, /Cannot sync from member to member: found a:x and b:y\n.*sync a:x \.\/copy, then/, "a:x", "b:y");
  await fails(2, /Expected one directory of this host behind a:x, found 2/, "a:x", src, "c");
  await fails(2, /Cannot watch a:x: --watch is for directories of this host\n.*Sync again/, "a:x", src, "--watch");
  await fails(3, /Cannot sync from a:none: there is no such directory in the guest/, "a:none", src);
  await fails(2, /Cannot sync from a:file: it is no directory\n.*fleetbox cp a:file \./, "a:file", src);
  await fails(2, /Cannot sync to .*: with --delete, and your home is in it/, "a:.", box.root, "--delete");
  await fails(2, /a:x\/ is given twice/, src, "a:x", "a:x/");
  await fails(2, /Expected --watch or --dry-run, found both/, src, "a:x", "--watch", "--dry-run");
  await fails(2, /Bad value for --exclude/, src, "a:x", "--exclude", "!y");
  await fails(3, /There is no directory .*none on this host/, join(box.root, "none"), "a:x");
  await fails(2, /is no directory; sync takes a directory\n.*fleetbox cp/, join(src, "f"), "a:x");
  await fails(3, /There is no member "b"/, src, "a:x", "b:x");
  await fails(2, /Cannot sync to a:file: it is no directory/, src, "a:file");
  for (const above of ["a:", "a:..", "a:/"]) {
    await fails(2, /Cannot sync to a:.*: with --delete, and its user's home is in it/, src, above, "--delete");
  }
  await Deno.writeFile(join(home, "x"), new Uint8Array());
  assert.deepEqual(seen(home).map((line) => line.split(" ")[0]), ["file", "x"]);

  // The connection breaks in the middle of the archive.
  guestOf(box, `head -c 700 | sh -c "$word"; exit`);
  Deno.writeFileSync(join(src, "big"), new Uint8Array(100_000).fill(1));
  await fails(1, /Cannot sync to a:new: the guest could not unpack all; nothing was changed/, src, "a:new");
  assert.deepEqual(seen(join(home, "new")), []);
  Deno.writeFileSync(join(home, "large"), new Uint8Array(100_000).fill(1));
  guestOf(box, `sh -c "$word" | dd bs=1 count=3000 2>/dev/null; echo torn >&2; exit 255`);
  await fails(1, /Cannot reach "a" over SSH: torn/, "a:.", src);
  assert.deepEqual(seen(src).map((line) => line.split(" ")[0]), ["big", "f"]);
  guestOf(box, "echo lost >&2; exit 255");
  await fails(1, /Cannot reach "a" over SSH: lost/, src, "a:new");
  await fails(1, /Cannot reach "a" over SSH: lost/, "a:new", src);
  await box.ok("stop", "a");
  await fails(1, /Cannot reach "a": it is not running/, src, "a:new");
});

test.source("sync from a member makes a directory of this host the same, receives what changed, and removes with --delete alone", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const { home, env } = guestOf(box);
  await box.up("a");
  const [there, here] = [join(home, "out"), join(box.root, "here")];
  const put = (name: string, text: string, mode = 0o644) => {
    Deno.writeTextFileSync(join(there, name), text);
    Deno.chmodSync(join(there, name), mode);
    Deno.utimeSync(join(there, name), 1e9, 1e9);
  };
  const long = "l".repeat(120);
  for (const dir of ["sub dir/deep", "empty", "ro", long]) Deno.mkdirSync(join(there, dir), { recursive: true });
  put("-dash", "1", 0o600);
  put("run me", "2", 0o4755);
  put("new\nline", "3");
  put("größe'\"$(x)", "4");
  put("sub dir/deep/f", "5");
  put("ro/kept", "6");
  put(`${long}/${long}`, "7");
  Deno.symlinkSync("/etc/passwd", join(there, "link"));
  Deno.symlinkSync(`${long}/${long}`, join(there, "long link"));
  Deno.linkSync(join(there, "-dash"), join(there, "hard"));
  const holes = new Uint8Array(3 * 1024 * 1024 + 5);
  holes.set(new TextEncoder().encode("data"), 1024 * 1024 + 7);
  Deno.writeFileSync(join(there, "holes"), holes, { mode: 0o644 });
  Deno.chmodSync(join(there, "ro"), 0o555);
  const run = (...args: string[]) => box.start(["sync", ...args], { env, cwd: box.root }).done;
  const sync = async (...args: string[]) => {
    const result = await run(...args);
    assert.equal(result.code, 0, told(result));
    return result.stdout;
  };

  assert.match(
    await sync("a:out", "here", "--dry-run"),
    /^receive {2}-dash\n[^]*^here {2}16 would be received \(3M\)\n$/m,
  );
  assert.throws(() => Deno.statSync(here), Deno.errors.NotFound);
  assert.equal(await sync("a:out", "here"), "here  16 received (3M)\n");
  assert.deepEqual(seen(here), seen(there));
  assert.equal(Deno.statSync(join(here, "run me")).mode! & 0o7777, 0o755, "no other user's rights");
  assert.deepEqual(Deno.readFileSync(join(here, "holes")), holes);
  assert.ok(Deno.statSync(join(here, "holes")).blocks! * 512 < 1024 * 1024, "holes are holes");
  assert.equal(await sync("a:out", "here"), "here  up to date\n");

  put("-dash", "one", 0o600);
  Deno.removeSync(join(there, "hard"));
  Deno.removeSync(join(there, "empty"));
  Deno.symlinkSync("ro", join(there, "empty"));
  Deno.writeTextFileSync(join(here, "my own"), "");
  // A link out of the directory, where a directory should be: what is beyond it is not touched.
  Deno.removeSync(join(here, long), { recursive: true });
  Deno.mkdirSync(join(box.root, "beyond"));
  Deno.symlinkSync("../beyond", join(here, long));
  const blocked = await run("a:out", "here", "--json");
  assert.equal(blocked.code, 1);
  assert.deepEqual(JSON.parse(blocked.stdout).problems, [
    { path: "empty", message: "a directory is in its place on this host; --delete replaces it" },
  ]);
  assert.ok(seen(here).includes("my own 644 "));
  assert.equal(await sync("a:out", "./here/", "--delete", "--exclude", "*.o"), "./here/  1 received (0K), 2 removed\n");
  assert.deepEqual(seen(here), seen(there));
  assert.deepEqual(seen(join(box.root, "beyond")), []);
});

test("sync --watch sends each change, also of a time within the same second, and waits for a member that is down", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const { home, env } = guestOf(box);
  await box.up("a,b");
  const src = join(box.root, "src");
  Deno.mkdirSync(join(src, "sub"), { recursive: true });
  const watching = box.start(["sync", src, "a:to", "--watch", "--delete", "--exclude", "*.o", "--json"], { env });
  await watching.printed(/"sent":\["sub"\]/);
  const has = (name: string, text?: string) =>
    until(`${name} is ${text}`, () => {
      try {
        return Deno.readTextFileSync(join(home, "to", name)) === text;
      } catch {
        return text === undefined;
      }
    });
  for (const text of ["1", "2", "3"]) {
    Deno.writeTextFileSync(join(src, "sub/f"), text);
    await has("sub/f", text);
  }
  Deno.writeTextFileSync(join(src, "x.o"), "");
  Deno.removeSync(join(src, "sub/f"));
  await has("sub/f");
  await box.ok("stop", "a");
  Deno.writeTextFileSync(join(src, "later"), "4");
  await watching.printed(/a:to {2}Cannot reach "a".*; waiting until it is back/);
  await box.up("a");
  await has("later", "4");
  watching.kill("SIGINT");
  const result = await watching.done;
  assert.equal(result.code, 130, told(result));
  // The guest's end of it removes what it was working with, a moment after its client has ended.
  await until(
    "only the directory's own content is left",
    () => seen(join(home, "to")).join() === "later 644 4,sub/ 755",
  );
  const gone = box.start(["sync", src, "b:to", "--watch"], { env });
  await gone.printed(/^b:to {2}1 sent/m);
  Deno.removeSync(src, { recursive: true });
  assert.equal((await gone.done).code, 3);
});
