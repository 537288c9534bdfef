/**
 * How long a TCP connection between two real members stalls when the holder is killed: its guardian adopts the
 * group, and the guests' TCP retransmits what was lost meanwhile.
 */

import { getStatus } from "../../src/control.ts";
import { isAlive } from "../../src/system/process.ts";
import { arrivals, type InGuest, startStream } from "../support/stream.ts";
import { type Bench, median, type Row, sleep, timeFleetbox } from "./bench.ts";
import { residentMiB, stopAll } from "./holders.ts";

/** Deaths count for a minute: with more time between them each run is the first of its own. */
const BETWEEN_MS = 31_000;
const STEADY_MS = 3_000;

/** Rows `guardian`: the stall, and the guardian's memory. */
export async function killedHolder(bench: Bench): Promise<Row[]> {
  const store = await bench.store();
  await timeFleetbox(store, ["up", "a,b", "--egress", "off"]);
  const run: InGuest = async (name, line) => {
    const output: string[] = [];
    await timeFleetbox(store, ["ssh", name, "--", line], { onLine: (line) => output.push(line) });
    return output.join("\n");
  };
  await startStream(run, "a", "b");
  const stalls: number[] = [];
  const steady: number[] = [];
  const back: number[] = [];
  let residentOf = 0;
  for (let round = 0; round < bench.runs; round++) {
    if (round > 0) await sleep(BETWEEN_MS);
    let { count } = await arrivals(run, "b");
    await sleep(STEADY_MS);
    const before = await arrivals(run, "b", count);
    steady.push(before.longestGapMs);
    const [{ holder, guardian }] = store.groupRecords();
    residentOf = Math.max(residentOf, residentMiB(guardian!.pid));
    ({ count } = before);
    await sleep(STEADY_MS / 3); // reading the arrivals also keeps the guests busy
    const began = performance.now();
    Deno.kill(holder.pid, "SIGKILL");
    while (isAlive(holder) || (await getStatus(store, "a"))?.state !== "running") await sleep(5);
    back.push(Math.round(performance.now() - began));
    await sleep(STEADY_MS);
    stalls.push((await arrivals(run, "b", count)).longestGapMs);
    bench.say(`stall ${stalls.at(-1)} ms, steady ${steady.at(-1)} ms, running again after ${back.at(-1)} ms`);
  }
  await stopAll(store);
  return [
    {
      what: "TCP stall over kill -9 of the holder",
      measured: median(stalls),
      unit: "ms",
      against: { what: "the longest gap of the same stream without a kill", value: median(steady) },
      limit: { kind: "at most", value: 1_000 },
      runs: { measured: stalls, against: steady },
      note: `the group runs again after ${median(back)} ms (${back.join(", ")})`,
    },
    {
      what: "resident memory of a guardian",
      measured: Number(residentOf.toFixed(1)),
      unit: "MiB",
      limit: { kind: "at most", value: 2 },
    },
  ];
}
