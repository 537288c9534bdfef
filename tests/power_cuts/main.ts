/**
 * `make power-cuts`: a campaign from the command line.
 *
 *     node_modules/.bin/deno run -A tests/power_cuts/main.ts [--writer files|sqlite|sqlite-wal] [--count 200] [--seconds N] [--seed N]
 *         [--record FILE]
 *
 * See `campaign.ts`. Real QEMU always; SQLite is that of Debian's packages. The result is a line of JSON, also in the file of `--record`. Ends with 1 when something does not fit.
 */

import { parseArgs } from "../../scripts/flags.ts";
import { fetchPrograms } from "../support/debian_programs.ts";
import { campaign } from "./campaign.ts";
import { fileWriter } from "./file_writer.ts";
import { SQLITE_PACKAGES, SQLITE_PROGRAM, sqliteWriter } from "./sqlite_writer.ts";
import type { Writer } from "./writer.ts";

/** By its name on the command line; each gets the directory of the programs. */
const WRITERS: Record<string, (programs: string) => Writer> = {
  "files": () => fileWriter,
  "sqlite": (programs) => sqliteWriter(programs, "rollback"),
  "sqlite-wal": (programs) => sqliteWriter(programs, "wal"),
};

/** What failed, and what failed besides when the store was cleaned up. */
function withSuppressed(thrown: unknown): unknown[] {
  if (!(thrown instanceof SuppressedError)) return [thrown];
  return [...withSuppressed(thrown.suppressed), ...withSuppressed(thrown.error)];
}

const { values } = parseArgs({
  options: {
    "writer": { type: "string", default: "files" },
    "count": { type: "string", default: "200" },
    "seconds": { type: "string", default: "Infinity" },
    "seed": { type: "string", default: String(Date.now() % 1_000_000) },
    "record": { type: "string" },
  },
});
const dir = Deno.makeTempDirSync({ prefix: "fleetbox-power-cuts." });
try {
  const make = Object.hasOwn(WRITERS, values.writer) ? WRITERS[values.writer] : undefined;
  if (!make) throw new Error(`--writer: found ${values.writer}, expected one of ${Object.keys(WRITERS).join(", ")}`);
  const writer = make(make === WRITERS.files ? "" : await fetchPrograms(dir, SQLITE_PACKAGES, [SQLITE_PROGRAM]));
  const [seed, count, seconds] = [values.seed, values.count, values.seconds].map(Number);
  console.log(`power cuts: ${values.writer}, seed ${seed}`);
  const result = await campaign({ seed, count, seconds, writer, say: console.log });
  const line = JSON.stringify({ writer: values.writer, ...result });
  console.log(line);
  if (values.record) Deno.writeTextFileSync(values.record, line + "\n", { append: true });
} catch (thrown) {
  for (const one of withSuppressed(thrown)) console.error(one instanceof Error ? one.message : one);
  Deno.exitCode = 1;
} finally {
  Deno.removeSync(dir, { recursive: true });
}
