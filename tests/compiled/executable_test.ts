/**
 * What must be true of the compiled executable alone: one file, in any directory, with any `PATH`, before and after it
 * was replaced. `scripts/test-suite` compiles it and runs some of `whole/` against it, too; `tests/slow_compiled` compiles others.
 */

import * as assert from "#assert";
import { Buffer } from "node:buffer";
import { join } from "../../src/system/path.ts";
import { VERSION } from "../../src/system/program_info.ts";
import { Client, untilNothing } from "../bound/bound.ts";
import { FLEETBOX } from "../support/command.ts";
import { until } from "../support/processes.ts";
import { sandbox, test, told } from "../support/sandbox.ts";
import { embedded, isWhole, namesIn, temporary } from "./support.ts";

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

test("the executable holds the machines of a program that uses the library, and they end with the program", async () => {
  await using box = await sandbox({ fakeQemu: {}, env: { FLEETBOX_HELPER: FLEETBOX } });
  await using client = new Client(box, { names: ["a", "b"], then: ["up"] });
  await client.said(/^up$/m);
  assert.equal(Deno.readLinkSync(`/proc/${box.process("holder").pid}/exe`), Deno.realPathSync(FLEETBOX));
  client.kill();
  await untilNothing(box);
});

/** The executable as it would be with another version, as long as its own. */
async function copyWithVersion(version: string, to: string): Promise<void> {
  const bytes = Buffer.from(await Deno.readFile(FLEETBOX));
  const before = `FLEETBOX_VERSION : "`;
  const at = bytes.indexOf(`${before}${VERSION}"`);
  assert.ok(at > 0 && version.length === VERSION.length, "its version is not found in it");
  bytes.write(version, at + before.length);
  await Deno.writeFile(to, bytes, { mode: 0o755 });
}

test("after the executable was replaced while members run, they are listed, joined, stopped and started again", async () => {
  await using dir = temporary();
  const program = join(dir.path, "fleetbox");
  await copyWithVersion("0.0.9", program);
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
