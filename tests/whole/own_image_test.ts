/** `image build --as` through the real command line, with fake packages; scripts run on this host. */

import * as assert from "#assert";
import { join } from "../../src/system/path.ts";
import { APT_GET, MMDEBSTRAP, writePrograms } from "../support/fake_packages.ts";
import { snapshotPaths } from "../../src/store/snapshots.ts";
import { scriptedSsh } from "../support/scripted_ssh.ts";
import { until } from "../support/processes.ts";
import { type Sandbox, sandbox, test, told } from "../support/sandbox.ts";

/** A PATH with what makes the files that `mmdebstrap` would, and notes its arguments. */
function fakePackages(box: Sandbox): Record<string, string> {
  const bin = scriptedSsh(box.root);
  const mmdebstrap = `${MMDEBSTRAP}\necho "$@" >>${join(box.root, "arguments")}`;
  writePrograms(bin, { mmdebstrap, "apt-get": APT_GET });
  const TMPDIR = join(box.root, "tmp");
  Deno.mkdirSync(TMPDIR);
  return { PATH: `${bin}:${box.env.PATH}`, TMPDIR };
}

test("image build makes images of one's own, with packages and what scripts do, which are used and removed by their name", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const env = fakePackages(box);
  const script = (name: string, text: string) => {
    const path = join(box.root, name);
    Deno.writeTextFileSync(path, `${text}\n`);
    return path;
  };
  const build = (...args: string[]) => box.start(["image", "build", ...args], { env }).done;
  const ids = async () =>
    JSON.parse((await box.ok("image", "ls", "--json")).stdout).map(({ id }: { id: string }) => id);

  const made = script("test-made.sh", "echo made");
  const web = await build("debian-12", "--package", "nginx,curl", "--run", made, "--as", "frontend", "--json");
  assert.equal(web.code, 0, told(web));
  assert.match(web.stdout, /^\{"event":"output","name":"frontend","script":".*test-made\.sh","line":"made"\}$/m);
  const { id, ...end } = JSON.parse(web.stdout.trim().split("\n").at(-1)!);
  assert.deepEqual([end.event, end.image], ["build", "frontend"]);
  assert.match(id, /^frontend-[0-9a-f]{16}$/);
  assert.match(Deno.readTextFileSync(join(box.root, "arguments")), /--include=\S*,nginx,curl,linux-image/);
  assert.deepEqual(await ids(), [id], "nothing is left of what it was made of");
  assert.equal(await box.states(), "");

  await box.start(["up", "a", "--image", "frontend", "--egress", "off", "--ready", "ssh"], { env }).done;
  assert.equal((await box.ls()).a.image, "frontend");
  await box.fails(1, /the disks of a are based on it/, "image", "rm", "frontend");
  await box.ok("rm", "--force", "a");
  await box.fails(3, [/Unknown image "frontent"/, /Did you mean frontend\?/], "up", "a", "--image", "frontent");

  const closed = build("micro", "--run", made, "--egress", "off", "--as", "closed");
  const egress = await until(
    "its machine is there",
    async () => Object.values(await box.ls()).find(({ name }) => name.startsWith("image-build-"))?.egress,
  );
  assert.equal(egress, "off");
  assert.equal((await closed).code, 0);
  await box.ok("image", "rm", "closed");

  const failed = await build("micro", "--run", script("test-bad.sh", "echo no; exit 3"), "--as", "small");
  assert.equal(failed.code, 1, told(failed));
  assert.match(failed.stdout, /^small \| no$/m);
  assert.match(
    failed.stderr,
    /Cannot build small: .*test-bad\.sh failed with exit code 3\n +because: its last lines:\n +no/,
  );
  assert.match(failed.stdout, /^small: booting: boot \(\d.* s\)$/m, "with the time");
  assert.equal(await box.states(), "");

  await box.fails(
    2,
    /that is an alias of the catalogue/,
    "image",
    "build",
    "debian-12",
    "--run",
    made,
    "--as",
    "micro",
  );
  await box.fails(2, [/needs a name/, /--as web/], "image", "build", "debian-12", "--package", "nginx");
  await box.fails(2, /there is no --run/, "image", "build", "debian-12", "--egress", "off");
  await box.fails(
    2,
    /found "no", expected on or off/,
    "image",
    "build",
    "micro",
    "--run",
    made,
    "--egress",
    "no",
    "--as",
    "x",
  );
  await box.fails(2, /expected a package's name/, "image", "build", "debian-12", "--package", "a;b", "--as", "x");
  await box.fails(2, /cannot be combined/, "image", "build", "debian-12", "--as", "x", "--output", "y");
  await box.ok("image", "rm", "frontend");
  assert.deepEqual((await ids()).filter((one: string) => !one.startsWith("micro-")), []);
});

test("image rm keeps an image on which what cannot be read, or is being made, may be based", async () => {
  await using box = await sandbox({ fakeQemu: {}, fakeSsh: true });
  const refuses = (why: RegExp) => box.fails(1, [/Cannot remove the image micro-tiny/, why], "image", "rm", "micro");
  await box.up("a");
  await box.ok("checkpoint", "a", "--as", "saved");
  await box.ok("stop", "a");
  const { config, dir } = box.store.member("a");
  const whole = Deno.readTextFileSync(config);
  Deno.writeTextFileSync(config, whole.slice(0, 100));
  await box.ok("checkpoint", "rm", "saved");
  await refuses(/what cannot be read may be based on it\n +because: The config of "a" cannot be read/);
  Deno.writeTextFileSync(config, whole);
  await box.up("a");
  await box.ok("checkpoint", "a", "--as", "saved");
  await box.ok("rm", "a");

  const { manifest } = snapshotPaths(box.store).checkpoint("saved");
  Deno.chmodSync(manifest, 0o600);
  Deno.writeTextFileSync(manifest, "{");
  await refuses(/because: The checkpoint "saved" cannot be read/);
  await box.ok("checkpoint", "rm", "saved");

  Deno.mkdirSync(dir, { recursive: true, mode: 0o700 });
  const lock = Deno.openSync(box.store.member("a").lock, { create: true, write: true });
  lock.lockSync(true);
  const up = box.start(["up", "a", "--egress", "off"]);
  await up.printed(/a: image/);
  await refuses(/a may be made on it just now/);
  lock.close();
  assert.equal((await up.done).code, 0);
  await box.ok("rm", "a");
  await box.ok("image", "rm", "micro");
});

test("what a killed image build was making of an image is no image, and goes with the next sweep", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const env = fakePackages(box);
  const script = join(box.root, "test-long.sh");
  Deno.writeTextFileSync(script, "echo began; sleep 1\n");
  const build = box.start(["image", "build", "debian-12", "--run", script, "--as", "web"], { env });
  await build.printed(/web \| began/);
  build.kill("SIGKILL");
  await build.done;
  await until("its machine is gone", () => box.processes().length === 0);
  const left = () => [...Deno.readDirSync(box.store.imagesDir)].filter(({ isDirectory }) => isDirectory);
  assert.equal(left().length, 1, "its base is there");
  assert.deepEqual(JSON.parse((await box.ok("image", "ls", "--json")).stdout), []);
  await box.ok("prune", "--force");
  assert.deepEqual(left(), []);
  assert.equal(await box.states(), "");
});
