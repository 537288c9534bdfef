/**
 * Tests that share a cluster, which `shared_test.ts` runs, also twice at once. `SHARED_KEY` is their key, if there is one; with
 * `SHARED_FAILS` the set-up fails.
 */

import * as assert from "#assert";
import { test } from "node:test";
import { hostProblem, sharedCluster } from "@fleetbox/testing";

const key = Deno.env.get("SHARED_KEY") || undefined;

const seeded = sharedCluster(["a", "b"], async (cluster) => {
  console.log("setting up");
  await cluster.get("a").writeFile("data", "seeded\n");
  if (Deno.env.get("SHARED_FAILS")) theSchemaIsWrong();
}, { egress: "off", memoryMiB: 128, key });

function theSchemaIsWrong(): never {
  throw new Error("the schema is wrong");
}

seeded.test("the data is there", async (cluster, t) => {
  assert.equal(t.name, "the data is there");
  const [a] = cluster.vms;
  assert.equal(await a.readTextFile("data"), "seeded\n");
  assert.match(a.storeName, /^the-data-is-there-\w{4}-\w{6}-a$/);
  await a.exec("rm data; ping -c 1 -W 5 b", { check: true });
});

seeded.test("it is there again", async (cluster) => {
  assert.equal(await cluster.get("a").readTextFile("data"), "seeded\n");
});

test(
  "node: it is there, too",
  { skip: hostProblem() },
  seeded.withFork(async (cluster) => {
    assert.equal(await cluster.get("a").readTextFile("data"), "seeded\n");
  }),
);
