/**
 * The short form of `make chaos`, for every run of the tests: a few rounds on the fake QEMU, one on real QEMU, some
 * cycles of what must not grow. The seed is fixed, so that all runs are alike; `FLEETBOX_CHAOS_SEED` gives
 * another.
 */

import * as assert from "#assert";
import { test } from "../support/sandbox.ts";
import { campaign, type CampaignResult, killsOf } from "./campaign.ts";
import { joinsAndStops, upAndStop } from "./leaks.ts";
import { drawRound } from "./plan.ts";

const SEED = Number(Deno.env.get("FLEETBOX_CHAOS_SEED") ?? 2);

function tell(result: CampaignResult): void {
  console.log(`FLEETBOX_CHAOS_SEED=${SEED}: ${killsOf(result)} kills: ${JSON.stringify(result)}`);
}

Deno.test("a seed and a round's number give the same round, whatever happened before", () => {
  const options = { names: ["a", "b", "c"], bootMs: 900 };
  assert.deepEqual(drawRound(7, 3, options), drawRound(7, 3, options));
  assert.notDeepEqual(drawRound(7, 3, options), drawRound(7, 4, options));
  assert.notDeepEqual(drawRound(7, 3, options), drawRound(8, 3, options));
});

test("kills and freezes in the middle of commands, on the fake QEMU: every invariant holds", async () => {
  const result = await campaign({ seed: SEED, real: false, kills: 6, seconds: 10 });
  tell(result);
  assert.ok(killsOf(result) > 0, "nobody was hit");
});

test("kills and freezes in the middle of commands, on real QEMU: every invariant holds, and synced files are there", async () => {
  const result = await campaign({ seed: SEED, real: true, round: 1, steps: 3 });
  tell(result);
});

test("some cycles of up and stop, and of joins and stops in one holder, do not grow anything", async () => {
  const results = await Promise.all([
    upAndStop({ real: false, cycles: 6 }),
    joinsAndStops({ real: false, cycles: 10 }),
  ]);
  for (const result of results) console.log(JSON.stringify(result));
});
