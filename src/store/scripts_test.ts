import * as assert from "#assert";
import { afterRun, pendingScripts, scriptDigest, withScripts } from "./scripts.ts";

const [one, two] = [{ name: "one.sh", text: "true" }, { name: "two.sh", text: "false" }];
const ran = { name: "one.sh", digest: scriptDigest("true") };
const waits = { ...two, digest: scriptDigest("false") };

Deno.test("scripts: each runs once, whatever it is called; a changed one is another one", () => {
  assert.equal(withScripts(undefined, []), undefined);
  assert.deepEqual(withScripts(undefined, [one, { ...one, name: "again" }]), [{ ...ran, text: "true" }]);
  assert.deepEqual(withScripts([ran], [{ ...one, name: "other" }, two]), [ran, waits]);
  assert.deepEqual(pendingScripts({ scripts: [ran, waits] }), [waits]);
  assert.deepEqual(afterRun([ran, waits], [waits.digest]), [ran, { name: "two.sh", digest: waits.digest }]);
});

Deno.test("scripts: what has not run to its end stays until it is given in another form", () => {
  assert.deepEqual(withScripts([ran, waits], undefined), [ran, waits]);
  const mended = { name: "two.sh", text: "echo mended" };
  assert.deepEqual(withScripts([ran, waits], [mended]), [ran, { ...mended, digest: scriptDigest(mended.text) }]);
});
