import * as assert from "#assert";
import { join } from "../../system/path.ts";
import { FleetboxError } from "../../core/errors.ts";
import { run } from "../../system/process.ts";
import {
  checkSharedDirectories,
  imageBlocks,
  MAX_SHARED_DIRECTORIES,
  sharedDirectoryLabel,
  survey,
  writeSharedDirectoryImage,
} from "./shared_directories.ts";

/** Runs as a directory is there, and is gone after. */
async function inDirectory(work: (dir: string) => Promise<void> | void): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await work(dir);
  } finally {
    await run("chmod", ["-R", "u+rwX", dir]);
    await Deno.remove(dir, { recursive: true });
  }
}

function refused(code: string, words: RegExp, host: string, ...guests: string[]): void {
  assert.throws(
    () => checkSharedDirectories(guests.map((guest_path) => ({ host_path: host, guest_path }))),
    (thrown) => {
      assert.ok(thrown instanceof FleetboxError && thrown.code === code, String(thrown));
      assert.match(thrown.message, words);
      return true;
    },
  );
}

async function debugfs(image: string, command: string): Promise<string> {
  return await run("/usr/sbin/debugfs", ["-R", command, image]);
}

Deno.test("shared directories: paths in the guest that cannot be mounted on are refused", () => {
  checkSharedDirectories([{ host_path: "/tmp", guest_path: "/srv/with space's $x" }, {
    host_path: "/tmp",
    guest_path: "/ü",
  }]);
  for (const path of ["", "a", "./a", "../a", "~/a"]) refused("misuse", /absolute/, "/tmp", path);
  for (const path of ["/", "//", "/a/", "/a//b", "/a/./b", "/a/..", "/..", "/."]) {
    refused("misuse", /expected/, "/tmp", path);
  }
  for (const path of ["/a\nb", "/a\0", "/\x7f", "/\t"]) refused("misuse", /control/, "/tmp", path);
  for (const path of ["/proc", "/proc/x", "/sys/fs", "/dev/shm"]) refused("misuse", /kernel/, "/tmp", path);
  checkSharedDirectories([{ host_path: "/tmp", guest_path: "/process" }]);
  refused("misuse", /1000 bytes/, "/tmp", "/" + "ü".repeat(500));
});

Deno.test("shared directories: two at one place, or one within another, are refused", () => {
  refused("misuse", /two shared directories at \/a/, "/tmp", "/a", "/b", "/a");
  refused("misuse", /one shared directory over another/, "/tmp", "/a/b", "/a");
  refused("misuse", /one shared directory over another/, "/tmp", "/a", "/a/b");
  checkSharedDirectories([{ host_path: "/tmp", guest_path: "/a" }, { host_path: "/tmp", guest_path: "/ab" }]);
  refused(
    "misuse",
    /found 17 shared directories, expected at most 16/i,
    "/tmp",
    ...Array.from({ length: MAX_SHARED_DIRECTORIES + 1 }, (_, i) => `/${i}`),
  );
});

Deno.test("shared directories: a missing directory, or a file, is refused", async () => {
  await inDirectory((dir) => {
    Deno.writeTextFileSync(join(dir, "file"), "");
    refused("not-found", /does not exist/, join(dir, "none"), "/a");
    refused("not-found", /does not exist/, join(dir, "none\n"), "/a");
    refused("misuse", /it is a file, expected a directory/, join(dir, "file"), "/a");
    refused("misuse", /not an absolute path/, "relative", "/a");
    Deno.symlinkSync("nowhere", join(dir, "link"));
    refused("not-found", /does not exist/, join(dir, "link"), "/a");
  });
});

Deno.test("shared directories: an image has the names, owners, modes, links and holes of its directory", async () => {
  await inDirectory(async (dir) => {
    const host = join(dir, "host"), image = join(dir, "f.img");
    await run("sh", [
      "-c",
      `mkdir -p "$1/-d" && cd "$1" && printf hello >"$(printf 'line\\nbreak')" && printf x >'*"$' &&
      printf y >"$(printf 'bad\\377')" && printf z >ü && ln -s nowhere link && mkfifo pipe && printf k >./-d/-k &&
      ln ü hard && truncate -s 3G hole && printf tail >>hole && true`,
      "sh",
      host,
    ]);
    if (Deno.uid() === 0) {
      await Deno.chown(join(host, "ü"), 100_000, 4321);
      await Deno.chown(host, 12, 70_000);
    }
    // A change of owner takes a set-user-id bit away: the modes come last.
    await Deno.chmod(join(host, "ü"), 0o4751);
    await Deno.chmod(host, 0o1711);
    await writeSharedDirectoryImage(image, host, 3);
    // inode, mode, owner, group of each name
    const listing = [
      ...(await debugfs(image, "ls -l /")).matchAll(/^ *(\d+) +(\d+) \(\d+\) +(\d+) +(\d+) +\d+ \S+ \S+ (.*)$/gm),
    ];
    const entry = (name: string) => listing.find((match) => match[5] === name)?.slice(1, 5);
    for (const name of ["line\\x0abreak", '*"$', "bad\\xff", "link", "pipe", "-d", "hole"]) {
      assert.ok(entry(name), name);
    }
    assert.equal(entry("\\xc3\\xbc")![0], entry("hard")![0]);
    assert.equal(entry("hard")![1], "104751");
    assert.equal(entry(".")![1], "41711");
    if (Deno.uid() === 0) {
      assert.deepEqual(entry("hard")!.slice(2), ["100000", "4321"]);
      assert.deepEqual(entry(".")!.slice(2), ["12", "70000"]);
    }
    assert.equal(entry("lost+found"), undefined);
    assert.equal(await debugfs(image, "cat /-d/-k"), "k");
    assert.match(await run("/usr/sbin/blkid", [image]), new RegExp(`LABEL="${sharedDirectoryLabel(3)}"`));
    await run("/usr/sbin/e2fsck", ["-fn", image]);
    assert.ok(Deno.statSync(image).blocks! * 512 < 4 * 1024 * 1024, "a hole takes no room");
    assert.deepEqual([...Deno.readDirSync(dir)].map(({ name }) => name).sort(), ["f.img", "host"]);
  });
});

Deno.test("shared directories: many small files, deep directories and long names fit", async () => {
  await inDirectory(async (dir) => {
    const host = join(dir, "host"), image = join(dir, "f.img");
    await run("sh", [
      "-c",
      `mkdir "$1" && cd "$1" && name=$(printf '%0230d' 0) && mkdir many && cd many &&
      seq 3000 | sed "s/$/-$name/" | xargs touch && seq 500 | xargs -I@ sh -c 'echo @ >@' && cd .. &&
      mkdir -p $(seq -s/ 100)`,
      "sh",
      host,
    ]);
    await writeSharedDirectoryImage(image, host, 0);
    assert.match(await debugfs(image, "stat /many/500"), /Size: 4/);
    await run("/usr/sbin/e2fsck", ["-fn", image]);
  });
});

Deno.test("shared directories: an empty directory is an empty file system, a second one replaces the first", async () => {
  await inDirectory(async (dir) => {
    const host = join(dir, "host"), image = join(dir, "f.img");
    Deno.mkdirSync(host);
    await writeSharedDirectoryImage(image, host, 0);
    Deno.writeTextFileSync(join(host, "new"), "new");
    await writeSharedDirectoryImage(image, host, 0);
    assert.equal(await debugfs(image, "cat /new"), "new");
  });
});

Deno.test("shared directories: the estimate follows what is stored, and holes count when they are filled", () => {
  const found = { entries: 10, directories: 1, nameBytes: 200, storedBlocks: 1_000, wholeBlocks: 1_000_000 };
  assert.ok(imageBlocks(found, false) > 1_000 && imageBlocks(found, false) < 2_000);
  assert.ok(imageBlocks(found, true) > 1_000_000);
});

Deno.test({
  name: "shared directories: what cannot be read is named before an image is made",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    await inDirectory(async (dir) => {
      await Deno.chmod(dir, 0o755);
      const host = join(dir, "host");
      Deno.mkdirSync(join(host, "closed"), { recursive: true });
      Deno.writeTextFileSync(join(host, "secret"), "");
      Deno.chmodSync(join(host, "secret"), 0o600);
      Deno.chownSync(join(host, "secret"), 65534, 65534);
      // Root without its power over others' files: another user could not even read this test.
      const powerless = async () => {
        const script = `import { survey } from ${JSON.stringify(import.meta.resolve("./shared_directories.ts"))};
          try { await survey(${
          JSON.stringify(host)
        }); console.log("read") } catch (e) { console.log(e.code, e.message) }`;
        const { stdout, stderr } = await new Deno.Command("setpriv", {
          args: [
            "--bounding-set=-dac_override,-dac_read_search",
            Deno.execPath(),
            "eval",
            "--quiet",
            "--no-check",
            script,
          ],
          env: { DENO_DIR: join(dir, "deno"), HOME: dir },
        }).output();
        return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
      };
      Deno.mkdirSync(join(dir, "deno"));
      Deno.chmodSync(join(dir, "deno"), 0o777);
      assert.match(await powerless(), /denied .*host\/secret cannot be read/);
      Deno.removeSync(join(host, "secret"));
      Deno.chmodSync(join(host, "closed"), 0o700);
      Deno.chownSync(join(host, "closed"), 65534, 65534);
      assert.match(await powerless(), /denied .*host\/closed.* cannot be read/);
    });
    assert.equal((await survey("/proc/self/fdinfo")).directories, 1);
  },
});
