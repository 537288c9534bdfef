/**
 * `make power-cuts`: a campaign from the command line.
 *
 *     node_modules/.bin/deno run -A tests/power_cuts/main.ts [--count 200] [--seconds N] [--seed N] [--record FILE]
 *
 * See `campaign.ts`. Real QEMU always. The result is a line of JSON, also in the file of `--record`. Ends with 1 when something does not fit.
 */

import { parseArgs } from "../../scripts/flags.ts";
import { campaign } from "./campaign.ts";

/** What failed, and what failed besides when the store was cleaned up. */
function withSuppressed(thrown: unknown): unknown[] {
  if (!(thrown instanceof SuppressedError)) return [thrown];
  return [...withSuppressed(thrown.suppressed), ...withSuppressed(thrown.error)];
}

const { values } = parseArgs({
  options: {
    "count": { type: "string", default: "200" },
    "seconds": { type: "string", default: "Infinity" },
    "seed": { type: "string", default: String(Date.now() % 1_000_000) },
    "record": { type: "string" },
  },
});
try {
  const [seed, count, seconds] = [values.seed, values.count, values.seconds].map(Number);
  console.log(`power cuts: seed ${seed}`);
  const line = JSON.stringify(await campaign({ seed, count, seconds, say: console.log }));
  console.log(line);
  if (values.record) Deno.writeTextFileSync(values.record, line + "\n", { append: true });
} catch (thrown) {
  for (const one of withSuppressed(thrown)) console.error(one instanceof Error ? one.message : one);
  Deno.exitCode = 1;
}
