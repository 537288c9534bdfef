/**
 * `make chaos`: campaigns from the command line.
 *
 *     node_modules/.bin/deno run -A tests/chaos/main.ts [--only KIND] [--seed N] [--kills 500] [--real-kills 60]
 *       [--seconds N] [--round N [--repeat N]] [--record FILE]
 *
 * The kinds, and without `--only` all of them: `fake` (500 kills), `real` (60 kills on real QEMU), `leaks` and
 * `real-leaks` (what must not grow, see `leaks.ts`). `--seconds` ends a
 * campaign earlier, on a shared machine; with `--record` several runs add up in one file, a line of JSON
 * each. `--round` plays one round of a seed again. `--scale 0.1` makes a tenth of the leaks' cycles. Ends with 1 when an invariant broke; the message says how to replay it.
 */

import { parseArgs } from "../../scripts/flags.ts";
import { BrokenInvariant, campaign } from "./campaign.ts";
import { leaks } from "./leaks.ts";

const KINDS = ["fake", "real", "leaks", "real-leaks"];

const { values } = parseArgs({
  options: {
    "only": { type: "string" },
    "seed": { type: "string", default: String(Date.now() % 1_000_000) },
    "kills": { type: "string", default: "500" },
    "real-kills": { type: "string", default: "60" },
    "seconds": { type: "string" },
    "round": { type: "string" },
    "repeat": { type: "string", default: "1" },
    "record": { type: "string" },
    "scale": { type: "string", default: "1" },
  },
});
const number = (text: string | undefined) => text === undefined ? undefined : Number(text);
const seed = Number(values.seed);

function record(result: object): void {
  const line = JSON.stringify(result);
  console.log(line);
  if (values.record) Deno.writeTextFileSync(values.record, line + "\n", { append: true });
}

async function run(kind: string): Promise<void> {
  if (kind.endsWith("leaks")) {
    const results = await leaks({ real: kind === "real-leaks", say: console.log, scale: number(values.scale) });
    return results.forEach(record);
  }
  const real = kind === "real";
  const kills = Number(values[real ? "real-kills" : "kills"]);
  console.log(`${kind}: seed ${seed}${values.round ? `, round ${values.round}` : `, ${kills} kills`}`);
  const limits = { round: number(values.round), seconds: number(values.seconds) };
  for (let times = 0; times < Number(values.repeat); times++) {
    try {
      record(await campaign({ seed, kills, real, say: console.log, ...limits }));
    } catch (thrown) {
      if (thrown instanceof BrokenInvariant) record({ ...thrown.result, broken: thrown.message.split("\n")[1] });
      throw thrown;
    }
  }
}

if (values.only !== undefined && !KINDS.includes(values.only)) {
  console.error(`Bad --only: found ${JSON.stringify(values.only)}, expected one of ${KINDS.join(", ")}`);
  Deno.exit(2);
}
try {
  for (const kind of values.only ? [values.only] : KINDS) await run(kind);
} catch (thrown) {
  console.error(thrown instanceof Error ? thrown.message : thrown);
  Deno.exitCode = 1;
}
