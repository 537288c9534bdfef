/**
 * `make chaos`: campaigns from the command line, and their record.
 *
 *     deno run -A tests/chaos/main.ts [--kills 500] [--real-kills 60] [--seed N] [--json FILE]
 *
 * Prints each round, and at the end one line of JSON a campaign. Ends with 1 when an invariant broke; the seed is in the
 * message.
 */

import { parseArgs } from "node:util";
import { campaign, type CampaignResult } from "./campaign.ts";

const { values } = parseArgs({
  options: {
    "kills": { type: "string", default: "500" },
    "real-kills": { type: "string", default: "60" },
    "seed": { type: "string", default: String(Date.now() % 1_000_000) },
    "json": { type: "string" },
  },
});

const results: (CampaignResult & { real: boolean })[] = [];
try {
  for (const real of [false, true]) {
    const kills = Number(values[real ? "real-kills" : "kills"]);
    if (kills === 0) continue;
    const seed = Number(values.seed);
    console.log(`${real ? "real QEMU" : "stand-in"}: ${kills} kills, seed ${seed}`);
    results.push({ real, ...await campaign({ seed, kills, real, say: console.log }) });
    console.log(JSON.stringify(results.at(-1)));
  }
} catch (thrown) {
  console.error(thrown instanceof Error ? thrown.message : thrown);
  Deno.exitCode = 1;
}
if (values.json) Deno.writeTextFileSync(values.json, JSON.stringify(results, null, 2) + "\n");
