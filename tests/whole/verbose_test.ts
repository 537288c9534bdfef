/** --verbose: each step, and the hypervisor's command line as a shell reads it. */

import * as assert from "#assert";
import { join } from "../../src/system/path.ts";
import { sandbox, test } from "../support/sandbox.ts";

const DECODER = new TextDecoder();

test("--verbose prints the steps of up and stop, and a command line that a shell splits into the same arguments", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  // A program whose path a shell would split without quotes.
  const odd = join(box.root, 'it\'s $HOME & "mine"');
  Deno.mkdirSync(odd);
  Deno.writeTextFileSync(join(odd, "qemu"), `#!/bin/sh\nexec '${box.env.FLEETBOX_QEMU}' "$@"\n`, { mode: 0o755 });
  const env = { FLEETBOX_QEMU: join(odd, "qemu") };

  const up = await box.start(["up", "a", "--egress", "off", "--verbose"], { env }).done;
  assert.equal(up.code, 0, up.stderr);
  assert.match(up.stderr, /^a holder is started for a: /m);
  assert.match(up.stderr, /^process \d+ is their holder; its log: .*runner-a\.log$/m);
  assert.match(up.stderr, /^a: its image is micro-tiny, its disk new: .*disk\.qcow2$/m);
  assert.match(up.stderr, /^a: process \d+ runs it$/m);
  assert.match(up.stderr, /^a: it answers at 10\.88\.0\.11, SSH on 127\.0\.0\.1:\d+$/m);
  const line = /^a: its hypervisor's command line:\n(.*)$/m.exec(up.stderr)?.[1];
  assert.ok(line, up.stderr);

  const { command } = JSON.parse((await box.ok("status", "a", "--json")).stdout);
  assert.equal(command[0], env.FLEETBOX_QEMU);
  assert.ok(command.includes("guest=a"));
  for (const shell of ["sh", "bash"]) {
    const { stdout } = await new Deno.Command(shell, { args: ["-c", `printf '%s\\0' ${line}`] }).output();
    assert.deepEqual(DECODER.decode(stdout).split("\0").slice(0, -1), command, shell);
  }
  assert.ok((await box.ok("status", "a", "--verbose")).stdout.endsWith(`\n\n${line}\n`));
  assert.ok(!(await box.ok("status", "a")).stdout.includes(line));
  assert.ok(!(await box.ok("ls", "--json")).stdout.includes("guest=a"));

  const join_ = await box.start(["join", "b", "--via", "a", "--verbose"], { env }).done;
  assert.match(join_.stderr, /^the holder of a is asked to boot b$[^]*^b: its hypervisor's command line:$/m);
  assert.doesNotMatch(join_.stderr, /^a: /m);
  const stop = await box.ok("stop", "a", "--verbose");
  assert.match(stop.stderr, /^a: its power button is pressed; its guest shuts down$/m);
});

test("checkpoint and suspend --verbose print the steps of each member, which are not kept", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b");
  const kept = (await box.ok("wait", "a", "--verbose")).stderr;
  const { stderr } = await box.ok("checkpoint", "a,b", "--as", "one", "--verbose");
  for (const name of ["a", "b"]) {
    const steps =
      `${name}: it stands still.*\n[^]*^${name}: its devices and its memory are saved: .*\n[^]*^${name}: it goes on, after \\d+ ms$`;
    assert.match(stderr, new RegExp(`^${steps}`, "m"));
  }
  assert.equal((await box.ok("wait", "a", "--verbose")).stderr, kept);
  assert.doesNotMatch((await box.ok("checkpoint", "a", "--as", "two")).stderr, /stands still/);
  assert.match((await box.ok("suspend", "a", "--verbose")).stderr, /^a: its devices and its memory are saved/m);
});

test("without --verbose no step is printed; with --json each is an event; wait also prints the earlier ones", async () => {
  await using box = await sandbox({ fakeQemu: { "*": { bootMs: 1_000 } } });
  const up = await box.up("a", "--no-wait");
  assert.doesNotMatch(up.stderr, /command line|is their holder/);
  const wait = await box.ok("wait", "a", "--verbose", "--json");
  const events = wait.stdout.trim().split("\n").map((text) => JSON.parse(text));
  const details = events.filter(({ event }) => event === "detail");
  assert.equal(details.filter(({ command }) => Array.isArray(command)).length, 1, wait.stdout);
  assert.ok(details.length >= 3, wait.stdout);
  assert.ok(details.every(({ name }) => name === "a"));
  const stop = await box.ok("stop", "a", "--json");
  assert.doesNotMatch(stop.stdout, /"detail"/);
});
