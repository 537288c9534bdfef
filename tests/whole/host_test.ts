/** A host that lacks something: a program, an image, memory, a place for the store, room on the disk. */

import * as assert from "#assert";
import { join } from "../../src/system/path.ts";
import { which } from "../../src/system/process.ts";
import { exists } from "../../src/system/files.ts";
import { MAY_MOUNT, type Sandbox, sandbox, test, told } from "../support/sandbox.ts";

/** A disk that has a boot sector and nothing else. */
function bootSector(bytes: number): Uint8Array {
  const disk = new Uint8Array(bytes);
  disk.set([0x55, 0xaa], 510);
  return disk;
}

/** A PATH with the usual programs but one. `bin/fleetbox` itself needs a few of the shell's. */
function pathWithout(box: Sandbox, missing: string): string {
  const dir = join(box.root, "bin");
  Deno.mkdirSync(dir);
  for (const program of ["sh", "readlink", "dirname", "qemu-img", "ssh", "ssh-keygen", "qemu-system-x86_64", "df"]) {
    const path = which(program);
    if (path && program !== missing) Deno.symlinkSync(path, join(dir, program));
  }
  return dir;
}

for (
  const { program, hint, env } of [
    { program: "qemu-system-x86_64", hint: "qemu-system-x86", env: { FLEETBOX_QEMU: "" } },
    { program: "qemu-img", hint: "qemu-utils", env: {} },
    { program: "ssh-keygen", hint: "openssh-client", env: {} },
  ]
) {
  test(`up without ${program} says so and what to install, and leaves nothing behind`, async () => {
    await using box = await sandbox({ fakeQemu: {}, env });
    const up = await box.start(["up", "a,b", "--egress", "off"], { env: { PATH: pathWithout(box, program) } }).done;
    assert.equal(up.code, 1, told(up));
    assert.match(up.stderr, new RegExp(`The program ${program} is not installed`));
    assert.match(up.stderr, new RegExp(`try: .*${hint}`), told(up));
    await box.empty();
    assert.deepEqual(box.stored(), []);
  });
}

test("ssh without an ssh says so and what to install; everything else works", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const env = { PATH: pathWithout(box, "ssh") };
  assert.equal((await box.start(["up", "a", "--egress", "off"], { env }).done).code, 0);
  const ssh = await box.start(["ssh", "a", "--", "true"], { env }).done;
  assert.equal(ssh.code, 1, told(ssh));
  assert.match(ssh.stderr, /The program ssh is not installed[^]*try: .*openssh-client/);
});

test("a FLEETBOX_QEMU that is not a program is refused, and the error names the variable", async () => {
  await using box = await sandbox({ fakeQemu: {}, env: { FLEETBOX_QEMU: "/nowhere/qemu" } });
  await box.fails(1, [/FLEETBOX_QEMU is "\/nowhere\/qemu", which is not a program/, /try: /], "up", "a");
  assert.deepEqual(box.stored(), []);
});

test("doctor reports what is missing, each with a fix, and fails", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const good = await box.run("doctor");
  assert.match(good.stdout, /qemu-img/, told(good));
  const bad = await box.start(["doctor"], { env: { PATH: pathWithout(box, "qemu-img") } }).done;
  assert.equal(bad.code, 1, told(bad));
  assert.match(bad.stdout + bad.stderr, /qemu-img[^]*qemu-utils/);
});

test("an unknown image and a missing image file are refused, and nothing is left behind", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.fails(3, /Unknown image "debain-12"; expected micro, .*a path/, "up", "a", "--image", "debain-12");
  await box.fails(3, /There is no image at \/nowhere\/disk\.qcow2/, "up", "a", "--image", "/nowhere/disk.qcow2");
  const notOne = join(box.root, "short.img");
  Deno.writeTextFileSync(notOne, "short");
  await box.fails(1, /has 5 bytes: expected a disk/, "up", "a", "--image", notOne);
  await box.empty();
  assert.deepEqual(box.stored(), []);
});

test("the error for a micro that is not built says how to build it", async () => {
  await using box = await sandbox({ fakeQemu: {}, env: { FLEETBOX_MICRO: "/nowhere" } });
  await box.fails(3, [/The micro image is not built/, /try: .*make micro/], "up", "a");
  assert.deepEqual(box.stored(), []);
});

test("a micro whose files are damaged is not unpacked", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  Deno.writeTextFileSync(join(box.root, "micro/kernel"), "bit rot");
  await box.fails(1, /its kernel has SHA-256 \w+, expected \w+/, "up", "a");
  assert.deepEqual([...Deno.readDirSync(box.store.imagesDir)], []);
  assert.deepEqual(box.stored(), []);
});

test("an image may be given by a relative path, and the member is not booted when that file has changed", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const image = join(box.root, "disk.img");
  Deno.writeFileSync(image, bootSector(1024 * 1024));
  const up = await box.start(["up", "a", "--image", "./disk.img", "--ready", "ssh", "--egress", "off"], {
    cwd: box.root,
  }).done;
  assert.equal(up.code, 0, told(up));
  assert.equal(box.store.config("a")!.image, image);
  await box.ok("stop", "a");
  Deno.writeFileSync(image, bootSector(2 * 1024 * 1024));
  await box.fails(1, /The image .*disk\.img has changed since the member's disk was made/, "up", "a");
  assert.equal(await box.states(), "a=stopped");
  assert.ok(exists(box.store.member("a").disk), "a member that existed lost its disk");
});

test("a store too deep for its sockets is refused before anything starts", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const deep = join(box.root, "d".repeat(100));
  for (const args of [["up", "a"], ["ls"], ["--fleetbox-runner", "a"]]) {
    const result = await box.start(args, { env: { FLEETBOX_HOME: deep } }).done;
    assert.ok(result.code === 2 || args[0] === "--fleetbox-runner", told(result));
    assert.match(result.stdout + result.stderr, /too deep: a unix socket in it .* would have a path of \d+ bytes/);
    assert.match(result.stdout + result.stderr, /FLEETBOX_HOME to a shorter path/);
  }
  assert.ok(!exists(deep));
});

test("a store as deep as its sockets allow works", async () => {
  await using box = await sandbox({ fakeQemu: {}, storeDepth: 103 - "/run/0123456789abcdef.sock".length });
  const up = await box.up("a,b");
  assert.match(up.stdout, /^b {2}10\.88\.0\.12/m);
  await box.ok("stop", "a,b");
});

test("a store that cannot be made because a file is in the way is refused with its path", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  Deno.writeTextFileSync(join(box.root, "file"), "");
  const up = await box.start(["up", "a"], { env: { FLEETBOX_HOME: join(box.root, "file/store") } }).done;
  assert.equal(up.code, 1, told(up));
  assert.match(up.stderr, /Cannot make the store .*file\/store/);
});

test("a store on a file system that is mounted read-only is refused with the way out", async () => {
  await using box = await sandbox({ fakeQemu: {}, storeKiB: 4096 });
  await box.remount(box.home, "ro");
  await box.fails(1, [/cannot be written/, /try: Set FLEETBOX_HOME to a directory that you can write/], "up", "a");
  assert.match((await box.ok("ls")).stderr, /no members yet/);
  await box.empty();
}, { ignore: !MAY_MOUNT });

test(
  "a store that becomes read-only after members were made: up is refused, ls shows them, no disk is lost",
  async () => {
    await using box = await sandbox({ fakeQemu: {}, storeKiB: 16 * 1024 });
    await box.up("a");
    await box.ok("stop", "a");
    await box.empty();
    await box.remount(box.home, "ro");
    await box.fails(1, /cannot be written/, "up", "a");
    assert.equal(await box.states(), "a=stopped");
    await box.fails(1, /a/, "rm", "a", "-f");
    await box.remount(box.home, "rw");
    await box.up("a");
    assert.equal(await box.states(), "a=running");
  },
  { ignore: !MAY_MOUNT },
);

for (const freeKiB of [0, 4, 16, 64, 200]) {
  test(`a disk with ${freeKiB} KiB free: up says that there is no space, and leaves nothing behind`, async () => {
    await using box = await sandbox({ fakeQemu: {}, storeKiB: 8 * 1024 });
    const before = await fill(box, freeKiB);
    const up = await box.run("up", "a", "--egress", "off");
    assert.equal(up.code, 1, told(up));
    assert.match(up.stderr, /no space left on the device/i, told(up));
    assert.match(up.stderr, /try: Free some space/, told(up));
    await box.empty();
    assert.deepEqual(box.stored(), []);
    assert.deepEqual(filesOf(box.store.clustersDir), before);
    Deno.removeSync(join(box.home, "ballast"));
    await box.up("a");
  }, { ignore: !MAY_MOUNT });
}

test("a full disk when a second member is added: it is refused, the first one runs on", async () => {
  await using box = await sandbox({ fakeQemu: {}, storeKiB: 16 * 1024 });
  await box.up("a");
  await fill(box, 64);
  await box.fails(1, /no space left/i, "join", "b", "--via", "a");
  assert.equal(await box.states(), "a=running");
  assert.deepEqual(box.stored(), ["a"]);
  Deno.removeSync(join(box.home, "ballast"));
  await box.ok("join", "b", "--via", "a");
}, { ignore: !MAY_MOUNT });

/** Fills the store's file system up to so many KiB. Returns what is in the store. */
async function fill(box: Sandbox, freeKiB: number): Promise<string[]> {
  box.store.ensure();
  const df = new Deno.Command("df", { args: ["-Pk", box.home] });
  const free = async () => Number(new TextDecoder().decode((await df.output()).stdout).split("\n")[1].split(/\s+/)[3]);
  const bytes = new Uint8Array(Math.max(0, (await free()) - freeKiB) * 1024).fill(1);
  Deno.writeFileSync(join(box.home, "ballast"), bytes);
  assert.ok(await free() <= freeKiB, "a running holder only ever uses more");
  return filesOf(box.store.clustersDir);
}

function filesOf(dir: string): string[] {
  return [...Deno.readDirSync(dir)].map(({ name }) => name).sort();
}

test("memory that the host does not have is refused before QEMU starts", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.fails(
    1,
    [/wants 1048576 MiB of memory, and this host has \d+ MiB/, /--memory/],
    "up",
    "a",
    "--memory",
    "1T",
  );
  await box.fails(2, /Bad value for --memory/, "up", "a", "--memory", "lots");
  await box.fails(2, /Bad value for --memory/, "up", "a", "--memory", "1M");
  await box.fails(2, /Bad value for --cpus/, "up", "a", "--cpus", "0");
  await box.fails(2, /Bad value for --disk/, "up", "a", "--disk", "-1");
  await box.empty();
  assert.deepEqual(box.stored(), []);
});

test("an unknown flag and an unknown command: code 2, with the nearest one", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.fails(2, /--jsno[^]*Did you mean --json\?/, "ls", "--jsno");
  await box.fails(2, [/here is no command|nknown command/, /up/], "upp", "a");
  await box.fails(2, /--egress/, "up", "a", "--egress", "maybe");
  assert.ok(!exists(box.home));
});

test("the note that machines are emulated is printed once on a host, with the cause; doctor always reports it", async () => {
  await using box = await sandbox({ fakeQemu: { "*": { kvm: "dies" } }, env: { FLEETBOX_ACCEL: "" } });
  const note = /^Running without KVM \(slower\): /m; // without /dev/kvm, or as the dry run dies
  assert.match((await box.up("a")).stderr, note);
  for (const name of ["b", "c"]) assert.doesNotMatch((await box.up(name)).stderr, /without KVM/, "said again");
  assert.match((await box.ok("doctor")).stdout, /^warn +accelerator +Running without KVM/m);

  // Another host that shares the store, or another cause: news.
  Deno.writeTextFileSync(box.store.saidOnce, '{"host":"another","sentence":"…"}\n');
  assert.match((await box.up("d")).stderr, note);
  await box.ok("stop", "--all");
});
