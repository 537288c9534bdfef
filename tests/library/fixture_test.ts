/** The fixtures of `testing.ts`, in test runs of their own: what they print, keep, skip and leave behind. */

import * as assert from "#assert";
import { fileURLToPath } from "node:url";
import { test } from "../support/test.ts";
import { assertNothingLeft, runSample, testStore } from "./support.ts";

const { store } = testStore();

const run = (sample: string, env?: Record<string, string>) => runSample(store, sample, env);

test("a failed test shows its machine's console; nothing is left", async () => {
  const { code, text } = await run("failing.ts");
  assert.equal(code, 1, text);
  assert.match(text, /--- "it-fails-\w{4}-\w{6}" of the test "it fails", which failed, is running; the last lines/);
  assert.match(text, /seen on the console\n---/);
  assert.match(text, /ended with code 7: oh no/);
  assert.match(text, /--- "it-fails-\S+" of the test "it fails": the last lines of cat app\.log:\n16\n[^]*\n30\n---/);
  assert.match(text, /: all lines of cat nothing \(it ended with code 1\):\ncat: can't open 'nothing'/);
  assert.match(text, /two by name \.\.\. ok/);
  assert.doesNotMatch(text, /is kept/);
  assertNothingLeft(store);
});

test("FLEETBOX_KEEP keeps the files of a failed test, and not those of one that passed", async () => {
  const { text } = await run("failing.ts", { FLEETBOX_KEEP: "1" });
  const [, name] = /^"(it-fails-\S+)" was shut down and is kept, as FLEETBOX_KEEP is set:$/m.exec(text) ??
    assert.fail(text);
  for (const what of ["disk", "console", "log"]) {
    const [, path] = new RegExp(`^  ${what} +(/\\S+)$`, "m").exec(text) ?? assert.fail(text);
    assert.ok(Deno.statSync(path).size > 0, path);
  }
  assert.deepEqual(store.members().map((member) => member.name), [name]);
  assert.equal(store.config(name)?.owner, undefined);
  const removed = await new Deno.Command(fileURLToPath(new URL("../../bin/fleetbox", import.meta.url)), {
    args: ["rm", name, "--force"],
    env: { FLEETBOX_HOME: store.root },
    stdout: "null",
  }).output();
  assert.equal(removed.code, 0);
  assertNothingLeft(store);
});

test("node:test takes the same fixture", async () => {
  const { text } = await run("node.ts");
  assert.match(text, /node: it boots \.\.\. ok/);
  assert.match(text, /its name is (node-it-boots|test)-/);
  assert.match(text, /node: it fails \.\.\. FAILED/);
  assert.match(text, /--- "(node-it-fails|test)-\S+"( of the test "node: it fails")?, which failed/);
  assertNothingLeft(store);
});

test("a host that cannot run machines skips the test, and says why", async () => {
  const { code, text } = await run("failing.ts", { FLEETBOX_QEMU: "/no/such/qemu" });
  assert.equal(code, 0, text);
  assert.match(text, /it fails \(skipped: the program \/no\/such\/qemu is not installed .*\) \.\.\. ignored/);
  const image = await run("node.ts", { FLEETBOX_MICRO: "/nowhere", FLEETBOX_HOME: "/tmp/no-such-store" });
  assert.match(image.text, /node: it boots \.\.\. ignored/);
});
