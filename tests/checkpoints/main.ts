/**
 * `make checkpoints`: campaigns from the command line.
 *
 *     node_modules/.bin/deno run -A tests/checkpoints/main.ts [--only group|random] [--count 200] [--seconds N] [--members 2]
 *       [--forks 100] [--seed N] [--record FILE]
 *
 * `group` takes checkpoints of a group under load and forks each of them, see `campaign.ts`; `random` makes forks of one
 * checkpoint and compares their random numbers. `--seconds` ends `group` earlier, on a shared machine. Real QEMU always. Each result is a line of JSON, also in the file of
 * `--record`. Ends with 1 when something does not fit.
 */

import { parseArgs } from "../../scripts/flags.ts";
import { campaign } from "./campaign.ts";
import { randomNumbers } from "./random_numbers.ts";

const { values } = parseArgs({
  options: {
    "only": { type: "string" },
    "count": { type: "string", default: "200" },
    "seconds": { type: "string", default: "Infinity" },
    "members": { type: "string", default: "2" },
    "forks": { type: "string", default: "100" },
    "seed": { type: "string", default: String(Date.now() % 1_000_000) },
    "record": { type: "string" },
  },
});
const seed = Number(values.seed);
const say = console.log;

const KINDS: Record<string, () => Promise<object>> = {
  group: () =>
    campaign({
      seed,
      count: Number(values.count),
      seconds: Number(values.seconds),
      members: Number(values.members),
      say,
    }),
  random: () => randomNumbers({ count: Number(values.forks), say }),
};

if (values.only !== undefined && !(values.only in KINDS)) {
  console.error(`Bad --only: found ${JSON.stringify(values.only)}, expected one of ${Object.keys(KINDS).join(", ")}`);
  Deno.exit(2);
}
try {
  for (const kind of values.only ? [values.only] : Object.keys(KINDS)) {
    console.log(`${kind}: seed ${seed}`);
    const line = JSON.stringify(await KINDS[kind]());
    console.log(line);
    if (values.record) Deno.writeTextFileSync(values.record, line + "\n", { append: true });
  }
} catch (thrown) {
  console.error(thrown instanceof Error ? thrown.message : thrown);
  Deno.exitCode = 1;
}
