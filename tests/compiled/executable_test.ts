/**
 * What must be true of the compiled executable alone: one file, in any directory, with any `PATH`, before and after it
 * was replaced. `scripts/test-suite` compiles it and runs `whole/` against it, too.
 */

import * as assert from "#assert";
import { join } from "../../src/system/path.ts";
import { fileURLToPath } from "node:url";
import { Client, untilNothing } from "../bound/bound.ts";
import { FLEETBOX, IS_COMPILED } from "../support/command.ts";
import { until } from "../support/processes.ts";
import { type Sandbox, sandbox, type SandboxOptions, test, told } from "../support/sandbox.ts";

if (!IS_COMPILED) throw new Error("FLEETBOX_TEST_EXE is not set: run scripts/test compiled");

const SCRIPT = fileURLToPath(new URL("../../scripts/compile.ts", import.meta.url));
const MAX_ABOVE_EMPTY_BYTES = 25e6;

async function compile(...args: string[]): Promise<void> {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "--no-check", SCRIPT, "--offline", ...args],
    stdout: "null",
    stderr: "piped",
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
}

/** With the micro image that is in the executable, not one of a few bytes. */
function embedded(options: SandboxOptions = {}): Promise<Sandbox> {
  return sandbox({ fakeQemu: {}, ...options, env: { FLEETBOX_MICRO: "", ...options.env } });
}

function temporary(): AsyncDisposable & { path: string } {
  const path = Deno.makeTempDirSync({ prefix: "c" });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

const namesIn = (dir: string) => [...Deno.readDirSync(dir)].map(({ name }) => name).sort();

Deno.test("the executable is at most 25 MB larger than a program that does nothing, and compiling leaves nothing else", async () => {
  await using dir = temporary();
  const empty = join(dir.path, "empty");
  await compile("--empty", "--output", empty);
  const more = Deno.statSync(FLEETBOX).size - Deno.statSync(empty).size;
  assert.ok(more > 5e6, `it is ${more} bytes larger: micro is not in it`);
  assert.ok(more <= MAX_ABOVE_EMPTY_BYTES, `it is ${more} bytes larger`);
  assert.deepEqual(namesIn(dir.path), ["empty"]);
});

Deno.test("the executable has the packages that the program imports, and none for builds or tests", () => {
  const licences = Deno.readTextFileSync(`${FLEETBOX}-licences.txt`);
  assert.match(licences, /^commander \d+\.\d+\.\d+ \(MIT\)$/m);
  for (const name of ["deno", "esbuild", "fast-check", "@types/node", "ssh2", "cpu-features"]) {
    assert.ok(!new RegExp(`^${name} \\d`, "m").test(licences), `${name} is in it`);
  }
  // The bundle says where each of its parts is from; it lies in the executable's last megabytes.
  const end = new TextDecoder("latin1").decode(Deno.readFileSync(FLEETBOX).subarray(-2e6));
  const bundled = new Set([...end.matchAll(/\/\/ node_modules\/((?:@[\w-]+\/)?[\w.-]+)\//g)].map(([, name]) => name));
  for (const name of viewerPackages()) bundled.add(name); // its page is in there compressed
  const told = [...licences.matchAll(/^(\S+) \d\S* \(\S+\)$/gm)].map(([, name]) => name);
  assert.deepEqual([...bundled].sort(), told);
});

/** The packages that the viewer's page imports. */
function viewerPackages(path = new URL("../../src/viewer/", import.meta.url).pathname): string[] {
  return [...Deno.readDirSync(path)].flatMap(({ name, isDirectory }) => {
    if (isDirectory) return viewerPackages(`${path}${name}/`);
    if (!/\.tsx?$/.test(name) || /_test\.tsx?$/.test(name)) return [];
    const imports = Deno.readTextFileSync(path + name).matchAll(/(?:from|^import) "((?:@[\w-]+\/)?[\w-]+)[^"]*"/gm);
    return [...imports].map(([, name]) => name);
  });
}

test("the executable works through a symbolic link, from a foreign directory, and leaves nothing in TMPDIR", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const [link, temporary] = [join(box.root, "a link"), join(box.root, "tmp")];
  Deno.symlinkSync(FLEETBOX, link);
  Deno.mkdirSync(temporary);
  const { code, stdout, stderr } = await new Deno.Command(link, {
    args: ["up", "a", "--egress", "off"],
    cwd: "/proc",
    env: { ...box.env, TMPDIR: temporary },
    clearEnv: true,
    stdout: "piped",
    stderr: "piped",
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  assert.match(new TextDecoder().decode(stdout), /^a {2}10\.88\.0\.11/m);
  assert.deepEqual(namesIn(temporary), []);
  const { command } = box.process("holder");
  assert.match(command, /fleetbox --fleetbox-runner a$/);
  assert.equal(Deno.readLinkSync(`/proc/${box.process("holder").pid}/exe`), Deno.realPathSync(FLEETBOX));
});

test("two commands that need micro at the same time unpack it once, completely", async () => {
  await using box = await embedded();
  const [a, b] = ["a", "b"].map((name) => box.start(["up", name, "--egress", "off"]));
  for (const { code, stderr } of [await a.done, await b.done]) assert.equal(code, 0, stderr);
  await isWhole(box);
});

test("the image can be among the files that Deno includes, as on macOS", async () => {
  await using dir = temporary();
  const program = join(dir.path, "fleetbox");
  await compile("--carried", "--output", program);
  await using box = await embedded({ program });
  await box.up("a");
  await isWhole(box);
});

/** That the store holds one micro, each of whose files has its digest. */
async function isWhole(box: Sandbox): Promise<void> {
  const images = namesIn(box.store.imagesDir).filter((name) => name.startsWith("micro"));
  assert.equal(images.length, 1, images.join(" "));
  const place = join(box.store.imagesDir, images[0]);
  const { sha256, kernel, initrd, disk } = JSON.parse(Deno.readTextFileSync(join(place, "image.json")));
  for (const [file, digest] of [[kernel, sha256.kernel], [initrd, sha256.initrd], [disk, sha256.disk]]) {
    const found = await crypto.subtle.digest("SHA-256", Deno.readFileSync(join(place, file)));
    assert.equal(new Uint8Array(found).toHex(), digest, file);
  }
}

test("the executable holds the machines of a program that uses the library, and they end with the program", async () => {
  await using box = await sandbox({ fakeQemu: {}, env: { FLEETBOX_HELPER: FLEETBOX } });
  await using client = new Client(box, { names: ["a", "b"], then: ["up"] });
  await client.said(/^up$/m);
  assert.equal(Deno.readLinkSync(`/proc/${box.process("holder").pid}/exe`), Deno.realPathSync(FLEETBOX));
  client.kill();
  await untilNothing(box);
});

test("after the executable was replaced while members run, they are listed, joined, stopped and started again", async () => {
  await using dir = temporary();
  const program = join(dir.path, "fleetbox");
  await compile("--stamp", "0.0.9", "--output", program);
  await using box = await embedded({ program });
  await box.up("a,b");
  const next = join(dir.path, "next");
  Deno.copyFileSync(FLEETBOX, next);
  Deno.renameSync(next, program);

  assert.doesNotMatch((await box.ok("version")).stdout, /0\.0\.9/);
  assert.equal(await box.states(), "a=running b=running");
  assert.match((await box.ok("status", "a")).stdout, /^holder +process \d+, fleetbox 0\.0\.9$/m);
  const join_ = await box.ok("join", "c", "--via", "a"); // the old holder serves it, from the file that has no name any more
  assert.match(join_.stdout, /^c {2}10\.88\.0\.13/m, told(join_));
  await box.ok("stop", "b");
  await box.up("b");
  assert.equal(await box.states(), "a=running b=running c=running");
  await box.ok("stop", "--all");
  await box.up("a");
  assert.doesNotMatch((await box.ok("status", "a")).stdout, /0\.0\.9/);
  await box.ok("rm", "a", "b", "c");
  await box.empty();
});

test("when the executable is replaced while a command starts a holder, the new executable is started", async () => {
  await using dir = temporary();
  const program = join(dir.path, "fleetbox");
  Deno.copyFileSync(FLEETBOX, program);
  await using box = await sandbox({ fakeQemu: {}, program });
  const up = box.start(["up", "a", "--egress", "off"]);
  // Deno has read its part of the file when it starts its threads. A moment earlier nothing can be done.
  await until("its threads have started", () => [...Deno.readDirSync(`/proc/${up.pid}/task`)].length > 1);
  up.kill("SIGSTOP");
  Deno.copyFileSync(FLEETBOX, join(dir.path, "next"));
  Deno.renameSync(join(dir.path, "next"), program);
  assert.match(Deno.readLinkSync(`/proc/${up.pid}/exe`), / \(deleted\)$/);
  up.kill("SIGCONT");
  const { code, stderr } = await up.done;
  assert.equal(code, 0, stderr);
  assert.equal(await box.states(), "a=running");
});
