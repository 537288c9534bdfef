/**
 * `make bench`: how fast fleetbox is, each figure beside its bare counterpart from the same run.
 *
 *     make bench                              every row, a table
 *     make bench BENCH="--only up1 --runs 9"  some rows (--only may be given several times), boots measured nine times
 *     make bench BENCH=--json                 the numbers, each run's included
 *     make bench BENCH=--strict               exit code 1 when a figure misses its limit; else 0
 *     make bench BENCH="--machines 5"         fewer machines in the rows of twenty
 *
 * A measurement that fails is told, and the exit code is 1; the others are made all the same. What the host has no image for is
 * left out, which is told too.
 *
 * `docs/internals/bench.md` and the comments of each file say how each row is measured.
 */

import { flagsOr, parseArgs } from "../../scripts/flags.ts";
import { messageOf } from "../../src/core/errors.ts";
import { oneMember, threeMembers } from "./boots.ts";
import { killedClient } from "./bound.ts";
import { list, listRunning, version } from "./commands.ts";
import { compiledExecutable } from "./compiled.ts";
import { hundredCommands } from "./exec.ts";
import { floodedStatus } from "./flood.ts";
import { threeMembersHeld } from "./holders.ts";
import { Bench, type Row } from "./bench.ts";
import { switchRows } from "./switch_rows.ts";
import { forkedThree, forksMemory } from "./snapshots/forks.ts";
import { pauses } from "./snapshots/pause.ts";
import { takenTemplate, warmDebian, warmMany, warmOne, warmThree } from "./snapshots/warm.ts";
import { overPlaces } from "./places.ts";
import { killedHolder } from "./stall.ts";
import { isMet, table } from "./table.ts";
import { tracedTest } from "./traced.ts";

/** What can be measured on its own, and the rows that it gives. */
const MEASUREMENTS: Record<string, (bench: Bench) => Promise<Row[]>> = {
  up1: oneMember,
  up3: threeMembers,
  version,
  ls: list,
  "ls-running": listRunning,
  holder: threeMembersHeld,
  guardian: killedHolder,
  bound: killedClient,
  switch: switchRows,
  flood: floodedStatus,
  exec: hundredCommands,
  trace: tracedTest,
  compiled: compiledExecutable,
  places: overPlaces,
  warm: warmThree,
  "warm-one": warmOne,
  "warm-debian": warmDebian,
  "warm-many": warmMany,
  template: takenTemplate,
  pause: pauses,
  fork: forkedThree,
  "fork-memory": forksMemory,
};

const USAGE = `bench: expected --only ROW,… (${
  Object.keys(MEASUREMENTS).join(", ")
}), --runs N, --machines N, --json, --strict`;

interface Flags {
  json: boolean;
  strict: boolean;
  only: string[];
  runs: number;
  machines: number;
}

function parseFlags(args: string[]): Flags {
  return flagsOr(USAGE, () => {
    const { values } = parseArgs({
      args,
      options: {
        json: { type: "boolean", default: false },
        strict: { type: "boolean", default: false },
        only: { type: "string", multiple: true, default: [] },
        runs: { type: "string", default: "5" },
        machines: { type: "string", default: "20" },
      },
    });
    const [runs, machines] = [Number(values.runs), Number(values.machines)];
    const flags = { ...values, only: values.only.flatMap((rows) => rows.split(",")), runs, machines };
    const unknown = flags.only.find((name) => !Object.hasOwn(MEASUREMENTS, name));
    if (unknown !== undefined) throw new Error(`bench: there is no row ${JSON.stringify(unknown)}`);
    for (const [flag, value] of Object.entries({ runs, machines })) {
      if (!Number.isInteger(value) || value < 1) throw new Error(`bench: --${flag} wants a whole number from 1 on`);
    }
    return flags;
  });
}

async function main(flags: Flags): Promise<number> {
  const bench = await Bench.open(flags.runs, (line) => console.error(`bench: ${line}`), flags.machines);
  // The measurement fails when its processes are ended; that failure is not reported.
  let interrupted = false;
  const interrupt = async () => {
    if (interrupted) return;
    interrupted = true;
    await bench[Symbol.asyncDispose]();
    Deno.exit(130);
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, interrupt);
  const rows: Row[] = [];
  const failed: string[] = [];
  try {
    for (const [name, measure] of Object.entries(MEASUREMENTS)) {
      if (flags.only.length > 0 && !flags.only.includes(name)) continue;
      try {
        rows.push(...await measure(bench));
      } catch (thrown) {
        if (interrupted) await new Promise(() => {}); // ended above
        failed.push(`${name}: ${messageOf(thrown)}`);
        bench.say(`FAILED ${failed.at(-1)}`);
      }
      if (!interrupted) await bench.endMeasurement();
    }
  } finally {
    if (!interrupted) await bench[Symbol.asyncDispose]();
  }
  console.log(flags.json ? JSON.stringify(rows.map((row) => ({ ...row, met: isMet(row) })), null, 2) : table(rows));
  for (const line of bench.leftOut) bench.say(`left out: ${line}`);
  for (const line of failed) bench.say(`FAILED ${line}`);
  if (failed.length > 0) return 1;
  return flags.strict && rows.some((row) => isMet(row) === false) ? 1 : 0;
}

if (import.meta.main) Deno.exit(await main(parseFlags(Deno.args)));
