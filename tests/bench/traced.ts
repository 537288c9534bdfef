/**
 * What a trace costs a test: three members that start, thirty commands on each, pings between them; with every group traced, and
 * without. And how long a bundle of the largest size takes to be packed. Run alone it prints JSON:
 *
 *     node_modules/.bin/deno run -A tests/bench/traced.ts [RUNS]
 */

import { packTrace } from "../../src/control/recording/pack.ts";
import { replaceVariables } from "../../src/core/environment.ts";
import type { Store } from "../../src/store.ts";
import { withCluster } from "../../testing.ts";
import { Bench, inTurn, median, round, type Row, timed } from "./bench.ts";
import { usedStore } from "./snapshots/own.ts";

const COMMANDS = 30;
const NAMES = ["a", "b", "c"];
/** Each member pings the next so often, ten times a second. */
const PINGS = 50;
const LIMIT = 1.05;
const PACK_LIMIT_MS = 1_000;
const MIB = 1024 * 1024;

export async function tracedTest(bench: Bench): Promise<Row[]> {
  const store = await usedStore(bench);
  const directory = await Deno.makeTempDir({ dir: bench.directory, prefix: "t" });
  const run = async (mode: "on" | "off") => {
    using _ = replaceVariables({ FLEETBOX_TRACE: mode, FLEETBOX_TRACE_DIR: directory });
    const ms = await threeMemberTest(store);
    bench.say(`a test of three members, FLEETBOX_TRACE=${mode}: ${round(ms)} ms`);
    return ms;
  };
  await run("off"); // takes the templates
  const [traced, plain] = await inTurn(bench.runs, () => run("on"), () => run("off"));
  return [
    {
      what: "a test of three members, traced",
      measured: round(median(traced)),
      unit: "ms",
      against: { what: "the same, not traced", value: round(median(plain)) },
      limit: { kind: "ratio", value: LIMIT },
      runs: { measured: traced.map((ms) => round(ms)), against: plain.map((ms) => round(ms)) },
    },
    await packed(bench, directory),
  ];
}

function threeMemberTest(store: Store): Promise<number> {
  const test = withCluster(NAMES, async (cluster) => {
    await Promise.all(cluster.vms.map(async (vm, index) => {
      const next = cluster.vms[(index + 1) % NAMES.length];
      for (let count = 0; count < COMMANDS; count++) await vm.exec("true", { check: true });
      await vm.exec(`ping -c ${PINGS} -i 0.1 ${next.hostName} >/dev/null`, { check: true });
    }));
  }, { store: store.root, egress: "off" });
  return timed(async () => await test());
}

/** A trace whose rings are full: frames and text as they are, with some that repeats and some that does not. */
async function packed(bench: Bench, directory: string): Promise<Row> {
  const trace = `${directory}/full`;
  await Deno.mkdir(trace);
  const started = new Date().toISOString();
  await Deno.writeTextFile(`${trace}/meta.json`, JSON.stringify({ format: "fleetbox-trace", version: 1, started }));
  for (let segment = 1; segment <= 8; segment++) {
    await Deno.writeFile(`${trace}/net-000${segment}.pcapng`, mixed(4 * MIB));
  }
  for (const name of NAMES) await Deno.writeFile(`${trace}/${name}.cast`, mixed(4 * MIB));
  const event = (at: number) =>
    JSON.stringify({
      at: new Date(at).toISOString(),
      event: "link",
      from: "a",
      to: "b",
      frames: at % 97,
      bytes: at % 8191,
    });
  const lines = Array.from({ length: 80_000 }, (_, index) => event(1.7e12 + 13 * index));
  await Deno.writeTextFile(`${trace}/events.ndjson`, lines.join("\n") + "\n");
  const runs: number[] = [];
  for (let run = 0; run < bench.runs; run++) {
    runs.push(await timed(() => packTrace(trace, `${directory}/full.zip`)));
  }
  return {
    what: "a bundle of 52 MiB, packed",
    measured: round(median(runs)),
    unit: "ms",
    limit: { kind: "at most", value: PACK_LIMIT_MS },
    runs: { measured: runs.map((ms) => round(ms)) },
  };
}

/** Half of it random, as encrypted frames are. */
function mixed(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 256) crypto.getRandomValues(bytes.subarray(at, at + 128));
  return bytes;
}

if (import.meta.main) {
  const bench = await Bench.open(Number(Deno.args[0] ?? 3), (line) => console.error(`bench: ${line}`));
  try {
    console.log(JSON.stringify(await tracedTest(bench), null, 2));
  } finally {
    await bench[Symbol.asyncDispose]();
  }
}
