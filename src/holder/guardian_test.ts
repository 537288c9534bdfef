import * as assert from "#assert";
import { comebackFromEnvironment, isTooMany, recentDeaths } from "./guardian.ts";

Deno.test("three deaths within a minute are too many, three within a longer time are not", () => {
  assert.equal(isTooMany([100, 110], 110), false);
  assert.equal(isTooMany([100, 110, 159], 159), true);
  assert.equal(isTooMany([100, 110, 160], 160), false, "the first is a minute old");
  assert.deepEqual(recentDeaths([100, 110, 160], 165), [110, 160]);
});

Deno.test("what a guardian passes on: the latest death counts, old ones do not, and no other process inherits it", () => {
  assert.equal(comebackFromEnvironment(0), undefined);
  Deno.env.set("FLEETBOX_GUARDIAN", JSON.stringify({ group: "0123456789ab", deaths: [100, 150] }));
  assert.deepEqual(comebackFromEnvironment(165), { group: "0123456789ab", deaths: [150, 165] });
  assert.equal(Deno.env.get("FLEETBOX_GUARDIAN"), undefined);
});

Deno.test("what no guardian has handed on is refused", () => {
  for (const text of ["{", "null", "7", '{"group":7,"deaths":[]}', '{"group":"a","deaths":["x"]}', '{"group":"a"}']) {
    Deno.env.set("FLEETBOX_GUARDIAN", text);
    assert.throws(() => comebackFromEnvironment(0), /Bad FLEETBOX_GUARDIAN/, text);
  }
});
