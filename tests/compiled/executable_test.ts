/**
 * What only the compiled executable has to show: one file, wherever it lies, whatever is on `PATH`, before and after it
 * was replaced. `scripts/test-suite` compiles it and runs `stand_in/` against it, too.
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { FLEETBOX, IS_COMPILED } from "../harness/command.ts";
import { until } from "../harness/processes.ts";
import { type Sandbox, sandbox, type SandboxOptions, test, told } from "../harness/sandbox.ts";

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
  return sandbox({ standIn: {}, ...options, env: { FLEETBOX_MICRO: "", ...options.env } });
}

const namesIn = (dir: string) => [...Deno.readDirSync(dir)].map(({ name }) => name).sort();

Deno.test("it is at most 25 MB larger than a program that does nothing, and compiling leaves nothing else", async () => {
  const dir = Deno.makeTempDirSync({ prefix: "c" });
  try {
    const empty = join(dir, "empty");
    await compile("--empty", "--output", empty);
    const more = Deno.statSync(FLEETBOX).size - Deno.statSync(empty).size;
    assert.ok(more > 5e6, `it is ${more} bytes larger: micro is not in it`);
    assert.ok(more <= MAX_ABOVE_EMPTY_BYTES, `it is ${more} bytes larger`);
    assert.deepEqual(namesIn(dir), ["empty"]);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
});

Deno.test("it carries the packages that the program imports, and none that builds or tests", () => {
  const licences = Deno.readTextFileSync(`${FLEETBOX}-licences.txt`);
  assert.match(licences, /^commander \d+\.\d+\.\d+ \(MIT\)$/m);
  for (const name of ["deno", "esbuild", "fast-check", "@types/node", "ssh2", "cpu-features"]) {
    assert.ok(!new RegExp(`^${name} \\d`, "m").test(licences), `${name} is in it`);
  }
});

Deno.test("it works through a symbolic link, from a directory of nobody, and leaves nothing in TMPDIR", async () => {
  await using box = await sandbox({ standIn: {} });
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

test("two that need micro at the same time unpack it once, whole", async () => {
  await using box = await embedded();
  const [a, b] = ["a", "b"].map((name) => box.start(["up", name, "--egress", "off"]));
  for (const { code, stderr } of [await a.done, await b.done]) assert.equal(code, 0, stderr);
  const images = namesIn(box.store.imagesDir).filter((name) => name.startsWith("micro"));
  assert.equal(images.length, 1, images.join(" "));
  const place = join(box.store.imagesDir, images[0]);
  const { sha256, kernel, initrd, disk } = JSON.parse(Deno.readTextFileSync(join(place, "image.json")));
  for (const [file, digest] of [[kernel, sha256.kernel], [initrd, sha256.initrd], [disk, sha256.disk]]) {
    const found = await crypto.subtle.digest("SHA-256", Deno.readFileSync(join(place, file)));
    assert.equal(new Uint8Array(found).toHex(), digest, file);
  }
});

test("replaced by a newer version while members run: they are listed, joined, stopped and started again", async () => {
  const dir = Deno.makeTempDirSync({ prefix: "c" });
  try {
    const program = join(dir, "fleetbox");
    await compile("--stamp", "0.0.9", "--output", program);
    await using box = await embedded({ program });
    await box.up("a,b");
    const next = join(dir, "next");
    Deno.copyFileSync(FLEETBOX, next);
    Deno.renameSync(next, program);

    assert.doesNotMatch((await box.ok("version")).stdout, /0\.0\.9/);
    assert.equal(await box.states(), "a=running b=running");
    assert.match((await box.ok("status", "a")).stdout, /^holder +process \d+, fleetbox 0\.0\.9$/m);
    const join_ = await box.ok("join", "c", "--via", "a"); // the old one serves it, from the file that has no name any more
    assert.match(join_.stdout, /^c {2}10\.88\.0\.13/m, told(join_));
    await box.ok("stop", "b");
    await box.up("b");
    assert.equal(await box.states(), "a=running b=running c=running");
    await box.ok("stop", "--all");
    await box.up("a");
    assert.doesNotMatch((await box.ok("status", "a")).stdout, /0\.0\.9/);
    await box.ok("rm", "a", "b", "c");
    await box.empty();
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
});

test("replaced while a command of the old one is about to start a holder: what stands in its place is started", async () => {
  const dir = Deno.makeTempDirSync({ prefix: "c" });
  try {
    const program = join(dir, "fleetbox");
    Deno.copyFileSync(FLEETBOX, program);
    await using box = await sandbox({ standIn: {}, program });
    const up = box.start(["up", "a", "--egress", "off"]);
    // Deno has read its part of the file when it starts its threads. A moment earlier nothing can be done.
    await until("its threads have started", () => [...Deno.readDirSync(`/proc/${up.pid}/task`)].length > 1);
    up.kill("SIGSTOP");
    Deno.copyFileSync(FLEETBOX, join(dir, "next"));
    Deno.renameSync(join(dir, "next"), program);
    assert.match(Deno.readLinkSync(`/proc/${up.pid}/exe`), / \(deleted\)$/);
    up.kill("SIGCONT");
    const { code, stderr } = await up.done;
    assert.equal(code, 0, stderr);
    assert.equal(await box.states(), "a=running");
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
});
