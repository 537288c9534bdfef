/** Images on the command line: downloads that members wait for, `fleetbox image`, and what is missing for them. */

import * as assert from "#assert";
import { join } from "../../src/system/path.ts";
import { imagesIn, rawDisk, serve, sha256Of } from "../../src/image/testing.ts";
import { removeCheckpoint, snapshotUse } from "../../src/store/snapshots.ts";
import { addCheckpoint, addLayer, addTemplate, id } from "../../src/store/snapshots/testing.ts";
import type { MemberReport } from "../../src/wire.ts";
import { type Sandbox, sandbox, test, told } from "../support/sandbox.ts";

const DISK = rawDisk(1024 * 1024);
const ID = `disk-${sha256Of(DISK).slice(0, 16)}`;

/** Whether a downloaded disk has cloud-init is not known; the fake QEMU has none. */
const READY = ["--ready", "ssh"];

// deno-lint-ignore no-explicit-any
async function imageList(box: Sandbox): Promise<any[]> {
  return JSON.parse((await box.ok("image", "ls", "--json")).stdout);
}

test("up with an address downloads it once for all members, each says so, and later boots need no network", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await using server = serve(DISK, "slow");
  const up = await box.up("a,b", "--image", server.url, "--json", ...READY);
  const members: MemberReport[] = up.stdout.trim().split("\n").map((line) => JSON.parse(line))
    .filter(({ event }) => event === "member").map(({ member }) => member);
  const seen: MemberReport[] = []; // on a busy host one of them may come after the end
  for (const name of ["a", "b"]) {
    const states = members.filter((member) => member.name === name);
    const downloading = states.filter(({ state }) => state === "downloading");
    seen.push(...downloading);
    assert.ok(downloading.every(({ download, running }) => download!.bytes >= 0 && running), told(up));
    assert.ok(downloading.every(({ download }) => download!.total === DISK.length), told(up));
    assert.equal(states.at(-1)!.state, "running");
    assert.equal(states.at(-1)!.download, undefined);
  }
  assert.ok(seen.length > 0, told(up));
  assert.equal(server.asked.length, 1);
  await box.ok("stop", "a");
  const offline = await box.start(["up", "a", ...READY], { env: { FLEETBOX_OFFLINE: "1" } }).done;
  assert.equal(offline.code, 0, told(offline));
  assert.equal(server.asked.length, 1);

  const [image] = await imageList(box);
  assert.deepEqual([image.id, image.image, image.origin, image.members], [ID, server.url, "downloaded", ["a", "b"]]);
  await box.fails(
    1,
    [/Cannot remove the image disk-.*: the disks of a, b are based on it/, /fleetbox rm a b/],
    "image",
    "rm",
    ID,
  );
  // The id that `image ls` prints is an image, on the command line and in completion.
  await box.up("c", "--image", ID, ...READY);
  assert.equal(server.asked.length, 1);
  assert.deepEqual((await imageList(box))[0].members, ["a", "b", "c"]);
  assert.doesNotMatch((await box.ok("up", "a", "--image", ID, ...READY)).stderr, /keeps --image/);
  await box.ok("stop", "c");
  await box.up("c", ...READY);
  assert.match((await box.ok("__complete", "up", "--image", ID.slice(0, 7))).stdout, new RegExp(`^${ID}`, "m"));
  await box.fails(
    3,
    /There is no image debian-12-ac830ad6ac8e5627 in the store\s+try: Use the alias: --image debian-12/,
    ...[
      "up",
      "d",
      "--image",
      "debian-12-ac830ad6ac8e5627",
      "--egress",
      "off",
    ],
  );
  await box.ok("rm", "-f", "a", "b", "c");
  // What was saved of members needs it, too; a template is a cache, and goes with it.
  addLayer(box.store, id(1));
  await addCheckpoint(box.store, "base", { a: [id(1)] }, { image_id: ID });
  await addTemplate(box.store, id(2), [id(1)], { image_id: ID });
  const refused = [/Cannot remove the image disk-.*: the checkpoints base are based on it/, /checkpoint rm base/];
  await box.fails(1, refused, "image", "rm", ID);
  await removeCheckpoint(box.store, "base");
  await box.ok("image", "rm", ID);
  assert.deepEqual(snapshotUse(box.store).layers.count, 0);
  assert.deepEqual((await imageList(box)).map(({ id }) => id), []);
});

test("the time of a download does not count against the boot's limit", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await using server = serve(DISK, "slow");
  // Ten pieces, a second: longer than what the boot alone may take here.
  const up = await box.run("up", "a", "--egress", "off", "--image", server.url, "--timeout", "900ms", ...READY);
  assert.ok(up.ms > 1_000, told(up));
  if (up.code !== 0) assert.doesNotMatch(up.stderr, /came as far as image/, told(up));
});

test("up whose download fails says why, and leaves nothing but a part that can be continued", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await using server = serve(DISK, "not found");
  await box.fails(
    3,
    [/Cannot boot "[ab]"/, /the server answered 404/],
    "up",
    "a,b",
    "--image",
    server.url,
    "--egress",
    "off",
  );
  await box.empty();
  assert.deepEqual(box.stored(), []);
  assert.deepEqual(imagesIn(box.store), []);
  const offline = { env: { FLEETBOX_OFFLINE: "1" } };
  const refused = await box.start(["up", "a", "--image", "debian-12", "--egress", "off"], offline).done;
  assert.equal(refused.code, 1, told(refused));
  assert.match(refused.stderr, /The image debian-12 is not in the store, and FLEETBOX_OFFLINE forbids/);
  await box.fails(3, /Unknown image "debain-12"/, "up", "a", "--image", "debain-12", "--egress", "off");
  assert.deepEqual(box.stored(), []);
});

test("stop ends a download at once; the next up continues it", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await using server = serve(DISK, "silent");
  const up = box.start(["up", "a", "--image", server.url, "--egress", "off", "--json", ...READY]);
  await up.printed(/"state":"downloading"/);
  assert.match((await box.ok("status", "a")).stdout, /^state +downloading .*\ndownload +\d+% {2}\d+K of 1M/m);
  await box.ok("stop", "a");
  assert.notEqual((await up.done).code, 0);
  server.moods = ["good"];
  await box.up("a", "--image", server.url, ...READY);
  assert.equal(server.asked.at(-1)!.range, `bytes=${DISK.length / 2}-`);
});

test("logs -f of a member whose image is still being downloaded waits for its console", async () => {
  await using box = await sandbox({ fakeQemu: { a: { console: ["hello"] } } });
  await using server = serve(DISK, "slow");
  await box.up("a", "--image", server.url, "--no-wait", ...READY);
  const logs = box.start(["logs", "a", "-f"]);
  await logs.printed(/hello/);
  logs.kill("SIGINT");
  assert.equal((await logs.done).code, 130);
});

test("image pull shows its progress, a line every few seconds, or an event each", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await using server = serve(DISK, "slow", "good");
  const plain = await box.ok("image", "pull", server.url);
  assert.match(plain.stdout, /^disk\.img: downloading {2}0% {2}0K of 1M$/m);
  assert.match(plain.stdout, /: \d+K|1M, a disk of 1M \(\d/);
  const json = await box.ok("image", "pull", `${server.url}?2`, "--json");
  const events = json.stdout.trim().split("\n").map((line) => JSON.parse(line));
  assert.equal(events[0].event, "download");
  assert.deepEqual(events.at(-1), { event: "pull", image: `${server.url}?2`, id: ID, bytes: events.at(-1).bytes });
  await box.fails(3, [/There is no image "debian-21"/, /There are: debian-11, /], "image", "pull", "debian-21");
  await box.fails(2, /micro comes with fleetbox/, "image", "pull", "micro");
  await box.fails(3, /There is no image at \/nowhere\/x\.xz/, "image", "pull", "/nowhere/x.xz");
});

test("an interrupted image pull ends at once, and the next one continues it", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await using server = serve(DISK, "silent");
  const pull = box.start(["image", "pull", server.url]);
  await pull.printed(/downloading/);
  pull.kill("SIGINT");
  const { code } = await pull.done;
  assert.equal(code, 130);
  server.moods = ["good"];
  await box.ok("image", "pull", server.url);
  assert.deepEqual(imagesIn(box.store), [ID, "refs"]);
});

test("image ls --all lists what the catalogue has; image rm of nothing says so", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const all = await box.ok("image", "ls", "--all");
  assert.match(all.stdout, /^debian-12 +amd64 .*can be downloaded \(20\d\d-\d\d-\d\d\), can be built/m);
  assert.match(all.stdout, /^ubuntu-24\.04 +arm64 .*can be downloaded/m);
  const offline = await box.start(["image", "build", "debian-12"], { env: { FLEETBOX_OFFLINE: "true" } }).done;
  assert.match(offline.stderr, /Cannot build debian-12: FLEETBOX_OFFLINE forbids fetching packages/, told(offline));
  assert.match((await box.ok("image", "ls")).stderr, /no images yet/);
  await box.fails(3, /There is no image "nothing" in the store/, "image", "rm", "nothing");
  await box.fails(
    2,
    /fleetbox cannot build ubuntu-24\.04 from packages; it can build debian-11, debian-12, debian-13/,
    "image",
    "build",
    "ubuntu-24.04",
  );
});

/** A PATH of the shell's few programs, and these scripts. */
function pathWith(box: Sandbox, scripts: Record<string, string>, more: string[] = []): string {
  const dir = join(box.root, "bin");
  Deno.mkdirSync(dir);
  for (const [name, text] of Object.entries(scripts)) {
    Deno.writeTextFileSync(join(dir, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  }
  for (const program of ["sh", "readlink", "dirname", "rm", "sleep", "chmod", "qemu-img", ...more]) {
    Deno.symlinkSync(`/usr/bin/${program}`, join(dir, program));
  }
  return dir;
}

test("image build without mmdebstrap says what to install; when mmdebstrap fails its message is passed on, and nothing is left", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const scripts = {
    "mmdebstrap": "echo 'I: running apt-get update...'; echo 'E: Unable to locate package cloud-init' >&2; exit 25",
    "mke2fs": "exit 1",
    "apt-get": "echo 'Packages|http://mirror.invalid/debian/|bookworm|main|Debian|'",
  };
  const PATH = pathWith(box, scripts);
  const TMPDIR = join(box.root, "tmp");
  Deno.mkdirSync(TMPDIR);
  const failed = await box.start(["image", "build", "debian-12"], { env: { PATH, TMPDIR } }).done;
  assert.equal(failed.code, 1, told(failed));
  assert.match(failed.stdout, /^debian-12: running apt-get update/m);
  assert.match(failed.stderr, /mmdebstrap ended with code 25\n {2}because: E: Unable to locate package cloud-init/);

  const output = ["--output", "/nowhere/debian"];
  const placeless = await box.start(["image", "build", "debian-12", ...output], { env: { PATH, TMPDIR } }).done;
  assert.equal(placeless.code, 3, told(placeless));
  assert.match(placeless.stderr, /Cannot make \/nowhere\/debian in \/nowhere/);
  assert.doesNotMatch(placeless.stdout, /apt-get/, "told at once");

  Deno.writeTextFileSync(join(box.root, "bin", "mmdebstrap"), "#!/bin/sh\necho 'I: installing'; exec sleep 60\n");
  const building = box.start(["image", "build", "debian-12"], { env: { PATH, TMPDIR } });
  await building.printed(/installing/);
  building.kill("SIGTERM");
  assert.equal((await building.done).code, 130, told(await building.done));

  Deno.removeSync(join(box.root, "bin", "mmdebstrap"));
  const missing = await box.start(["image", "build", "debian-12"], { env: { PATH, TMPDIR } }).done;
  assert.match(
    missing.stderr,
    /not installed, or not on PATH: mmdebstrap[^]*apt-get install mmdebstrap/,
    told(missing),
  );
  assert.deepEqual([...Deno.readDirSync(TMPDIR)], []);
  assert.deepEqual(imagesIn(box.store), []);
});

/** A build without packages: this script makes what `mmdebstrap` would leave, notes that it ran, and ends when it may go on. */
function fakeMmdebstrap(box: Sandbox): Record<string, string> {
  const script = `echo 'I: installing essential packages...'
eval "root=\\\${$(($# - 1))}"
mkdir -p "$root/etc"; echo a word >"$root/etc/word"; echo kernel >"$root/../vmlinuz"; echo initrd >"$root/../initrd"
echo ran >>${join(box.root, "ran")}
until [ -e '${join(box.root, "go on")}' ]; do sleep 0.05; done`;
  return { "mmdebstrap": script, "apt-get": "echo 'Packages|http://mirror.invalid/debian/|bookworm|main|Debian|'" };
}

test("two simultaneous builds of an image build it once; what killed builds left is removed, and a member boots from it", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const PATH = pathWith(box, fakeMmdebstrap(box), ["mkdir", "env", "setpriv", "ssh-keygen"]);
  const TMPDIR = join(box.root, "tmp");
  Deno.mkdirSync(join(TMPDIR, "fleetbox-build-999999999-1-01234567/root"), { recursive: true });
  const env = { PATH: `${PATH}:/usr/sbin`, TMPDIR };
  const build = () => box.start(["image", "build", "debian-12", "--json"], { env });
  const first = build();
  await first.printed(/installing/);
  const second = build();
  await second.printed(/waiting for another build of it/);
  Deno.writeTextFileSync(join(box.root, "go on"), "");
  const results = await Promise.all([first.done, second.done]);
  for (const result of results) assert.equal(result.code, 0, told(result));
  const ids = results.map(({ stdout }) => JSON.parse(stdout.trim().split("\n").at(-1)!).id);
  assert.equal(ids[0], ids[1]);
  assert.equal(Deno.readTextFileSync(join(box.root, "ran")), "ran\n");
  assert.deepEqual([...Deno.readDirSync(TMPDIR)], []);

  await box.up("a", "--image", "debian-12", ...READY);
  assert.match(box.process("machine", "a").command, /-append \S*console=ttyS0 .* ds=nocloud/);
  // With user-data that could need the network, all stages of cloud-init run.
  const userData = join(box.root, "user-data");
  Deno.writeTextFileSync(userData, "#cloud-config\nbootcmd: [date]\n");
  await box.up("b", "--image", "debian-12", "--user-data", userData, ...READY);
  assert.doesNotMatch(box.process("machine", "b").command, /ds=nocloud/);
  const again = await build().done;
  assert.equal(again.code, 0, told(again));
  const images = await imageList(box);
  assert.deepEqual(images.map(({ image, origin, members }) => [image, origin, members]).sort(), [
    [undefined, "built", ["a", "b"]],
    ["debian-12", "built", []],
  ]);
  const [ls] = (await box.ok("image", "ls")).stdout.split("\n").filter((line) => line.startsWith("debian-12 "));
  assert.match(ls, /^debian-12 +amd64 +\S+[KM] +\ds +built +- +debian-12-[0-9a-f]{16}$/);
  await box.fails(1, /the disks of a, b are based on it/, "image", "rm", ids[0]);
  await box.ok("stop", "a");
  await box.up("a", ...READY); // on the image that it was made on
});

test("a build for which there is no space says so, and leaves nothing", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const scripts = {
    ...fakeMmdebstrap(box),
    "mmdebstrap": "echo 'E: write failed: No space left on device' >&2; exit 1",
  };
  const env = { PATH: `${pathWith(box, scripts)}:/usr/sbin`, TMPDIR: box.root };
  const failed = await box.start(["image", "build", "debian-12"], { env }).done;
  assert.equal(failed.code, 1, told(failed));
  assert.match(failed.stderr, /Cannot build the image in \S+: no space left[^]*set TMPDIR/, told(failed));
  assert.deepEqual(imagesIn(box.store), []);
});

test("--arch arm64 without its QEMU says which package to install, before anything is downloaded", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await using server = serve(DISK);
  const env = { PATH: pathWith(box, {}) };
  const up = await box.start(["up", "a", "--image", server.url, "--arch", "arm64", "--egress", "off"], { env }).done;
  assert.equal(up.code, 1, told(up));
  assert.match(up.stderr, /qemu-system-aarch64 is not installed[^]*apt-get install qemu-system-arm/, told(up));
  assert.equal(server.asked.length, 0);
  await box.fails(2, /--arch: found "mips", expected amd64 or arm64/, "up", "a", "--arch", "mips");
  const amd64 = await box.run("up", "a", "--arch", "amd64", "--egress", "off");
  assert.equal(amd64.code, 0, told(amd64));
});

test("a damaged image.json in the store is told by image ls and by up, which says how to mend it", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  await box.ok("stop", "a");
  const directory = join(box.store.imagesDir, "micro-tiny");
  Deno.chmodSync(join(directory, "image.json"), 0o600);
  Deno.writeTextFileSync(join(directory, "image.json"), "{");
  assert.match((await box.ok("image", "ls")).stderr, /the image micro-tiny is damaged: Cannot read .*image\.json: /);
  await box.fails(1, [/Cannot read the image's/, /try: Move \S+\/images\/micro-tiny away/], "up", "a");
  Deno.renameSync(directory, join(box.root, "away"));
  await box.up("a");
});
