/** `sharedCluster`, in test runs of its own: how often it sets up, what its tests get, what stays. */

import * as assert from "#assert";
import { join } from "../../src/system/path.ts";
import { checkpoints, removeCheckpoint, snapshotPaths } from "../../src/store/snapshots.ts";
import { test } from "../support/test.ts";
import { assertNothingLeft, runSample, testStore } from "./support.ts";

const { store } = testStore();

const run = (env: Record<string, string> = {}, ...args: string[]) => runSample(store, "shared.ts", env, ...args);
const setUps = (...texts: string[]) => texts.join("").match(/^setting up$/gm)?.length ?? 0;
const names = () => checkpoints(store).map(({ name }) => name);

test("a file sets up once, and each test gets a fork; nothing stays", async () => {
  const { code, text } = await run();
  assert.equal(code, 0, text);
  for (const name of ["the data is there", "it is there again", "node: it is there, too"]) {
    assert.match(text, new RegExp(`${name} \\.\\.\\. .*ok`), text);
  }
  assert.equal(setUps(text), 1, text);
  assertNothingLeft(store);
});

test("with a key, files at once and later runs have one set-up; what does not work any more is made anew", async () => {
  // One test of each file is enough here: its first one, which has the set-up made or finds it.
  const keyed = () => run({ SHARED_KEY: "Schema v3" }, "--filter=the data is there");
  const both = await Promise.all([keyed(), keyed()]);
  for (const { code, text } of both) assert.equal(code, 0, text);
  assert.equal(setUps(...both.map(({ text }) => text)), 1);
  assert.match(names().join(), /^shared-schema-v3-[0-9a-f]{10}$/);

  const later = await keyed();
  assert.equal(later.code, 0, later.text);
  assert.equal(setUps(later.text), 0);

  const [name] = names();
  const devices = join(snapshotPaths(store).checkpoint(name).dir, Object.keys(manifest(name).members)[0], "devices");
  const bytes = Deno.readFileSync(devices);
  bytes[bytes.length - 100] ^= 255;
  Deno.writeFileSync(devices, bytes);
  const anew = await keyed();
  assert.equal(anew.code, 0, anew.text);
  assert.equal(setUps(anew.text), 1, anew.text);
  assert.match(anew.text, /^what was set up for the key "Schema v3" does not work any more, and is set up anew: /m);
  assert.deepEqual(names(), [name]);

  await removeCheckpoint(store, name);
  assertNothingLeft(store);
});

test("a set-up that fails is each test's failure, with its own stack; nothing stays", async () => {
  for (const env of [{ SHARED_FAILS: "1", SHARED_KEY: "" }, { SHARED_FAILS: "1", SHARED_KEY: "bad" }]) {
    const { code, text } = await run(env);
    assert.equal(code, 1, text);
    assert.equal(setUps(text), 1, text);
    for (const name of ["the data is there", "it is there again", "node: it is there, too"]) {
      const [, told] = new RegExp(`^${name} => .*\\n((?:(?!\\n\\n)[^])*)`, "m").exec(text) ?? assert.fail(text);
      assert.match(told, /the schema is wrong/);
      assert.match(told, /theSchemaIsWrong .*samples\/shared\.ts/);
    }
    assert.equal(text.match(/^--- "a" of the set-up that tests share, which failed, is running; /gm)?.length, 1, text);
    assertNothingLeft(store);
  }
});

function manifest(name: string) {
  const found = checkpoints(store).find((one) => one.name === name);
  return found && "manifest" in found ? found.manifest : assert.fail(`${name} is damaged`);
}
