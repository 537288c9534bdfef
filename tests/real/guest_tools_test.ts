/** A real guest from the command line: `exec`, `cp`, a larger disk, a shared directory. Two machines are booted once. */

import * as assert from "#assert";
import { handled } from "../support/socket.ts";
import { join } from "../../src/system/path.ts";
import { FLEETBOX } from "../support/command.ts";
import { type Sandbox, sandbox, test, told } from "../support/sandbox.ts";

test("exec and cp work on real guests, the root file system has 20 GiB of disk, and a shared directory is there, read-only", async () => {
  await using box = await sandbox();
  const shared = join(box.root, "fixture");
  Deno.mkdirSync(shared);
  Deno.writeTextFileSync(join(shared, "a b"), "fixed\n", { mode: 0o640 });
  await box.up("a,b", "--disk", "20G", "--fixture", `${shared}:/srv/f`);
  await Promise.all([executes(box), copies(box), looks(box)]);
});

async function executes(box: Sandbox): Promise<void> {
  assert.equal((await box.run("exec", "a", "--", "sh", "-c", "exit 7")).code, 7);
  const apart = await box.run("exec", "a", "--", "sh", "-c", "tty; echo out; echo err >&2");
  assert.deepEqual([apart.stdout, apart.stderr], ["not a tty\nout\n", "err\n"], told(apart));
  const words = ["a b", "$HOME", "*", "it's", "", "-n", ";", "x\ny"];
  const { stdout } = await box.ok("exec", "a", "--", "printf", "<%s>", ...words);
  assert.equal(stdout, words.map((word) => `<${word}>`).join(""));
  assert.equal((await box.run("exec", "a", "--", "no-such-program")).code, 127);

  const bytes = new Uint8Array(300_000).map((_, at) => at % 251);
  const piped = new Deno.Command(FLEETBOX, {
    args: ["exec", "a", "--", "cat"],
    env: box.env,
    clearEnv: true,
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = piped.stdin.getWriter();
  const written = handled(writer.write(bytes).then(() => writer.close()));
  const output = await piped.output();
  await written;
  assert.deepEqual(output.stdout, bytes);
}

async function copies(box: Sandbox): Promise<void> {
  const at = (...path: string[]) => join(box.root, ...path);
  Deno.mkdirSync(at("tree", "in ner"), { recursive: true });
  Deno.writeTextFileSync(at("tree", "run"), "#!/bin/sh\n", { mode: 0o755 });
  Deno.writeTextFileSync(at("tree", "in ner", "ü"), "odd\n", { mode: 0o600 });
  Deno.writeTextFileSync(at("a:b"), "colon\n");
  Deno.writeTextFileSync(at("-x"), "dash\n");

  await box.ok("exec", "b", "--", "mkdir", "into");
  await box.ok("cp", "-p", at("tree"), at("a:b"), at("-x"), "b:into");
  const listed = await box.ok(
    "exec",
    "b",
    "--",
    "sh",
    "-c",
    "cd into && cat ./a:b ./-x && stat -c '%a %n' tree/run tree/in*/*",
  );
  assert.equal(listed.stdout, "colon\ndash\n755 tree/run\n600 tree/in ner/ü\n");

  Deno.mkdirSync(at("back"));
  await box.ok("cp", "b:into/tree", "b:/etc/hostname", at("back"));
  assert.equal(Deno.readTextFileSync(at("back", "tree", "in ner", "ü")), "odd\n");
  assert.equal(Deno.readTextFileSync(at("back", "hostname")), "b\n");
  await box.ok("cp", "b:into/tree", "a:moved"); // from one to the other
  assert.equal((await box.ok("exec", "a", "--", "cat", "moved/in ner/ü")).stdout, "odd\n");
  const missing = await box.run("cp", "b:no-such-file", at("back"));
  assert.notEqual(missing.code, 0);
  assert.match(missing.stderr, /no-such-file.*No such file/);
}

async function looks(box: Sandbox): Promise<void> {
  const own = await box.ok("exec", "b", "--", "sh", "-c", 'ping -c1 -w5 "$(hostname)" | head -n1');
  assert.match(own.stdout, /\(10\.88\.0\.\d+\)/, "its own name is its address on the network");
  const script =
    "df -m / | awk 'END { print $2 }'; sudo cat '/srv/f/a b'; stat -c '%a %u' '/srv/f/a b'; sudo touch /srv/f/x";
  const { stdout, stderr, code } = await box.run("exec", "b", "--", "sh", "-c", script);
  const [mebibytes, ...rest] = stdout.trim().split("\n");
  assert.ok(Number(mebibytes) > 18_000, `the root has ${mebibytes} MiB of a disk of 20 GiB`);
  assert.deepEqual(rest, ["fixed", `640 ${Deno.uid()}`]);
  assert.notEqual(code, 0);
  assert.match(stderr, /Read-only file system/);
}
