/** The library's own tests on Node: one file of them, to be quick. `make node-library` runs all that can. */

import * as assert from "#assert";
import { NOT_ON_NODE, ON_NODE, runOnNode } from "./library.ts";

Deno.test("the library's own tests run on Node as they are", async () => {
  const directory = await Deno.makeTempDir({ prefix: "n" });
  try {
    const { code, text } = await runOnNode("power_cut_test.ts", directory);
    assert.equal(code, 0, text);
    assert.match(text, /^ℹ pass [1-9]/m);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("what does not run on Node is named with the reason, and is there", () => {
  for (const file of Object.keys(NOT_ON_NODE)) assert.ok(Deno.statSync(new URL(`../library/${file}`, import.meta.url)));
  assert.ok(ON_NODE.length >= 7, ON_NODE.join(" "));
});
