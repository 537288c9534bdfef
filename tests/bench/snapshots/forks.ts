/** How long a fork takes until it can be used, against a warm `up`; and the memory of many forks. */

import type { Store } from "../../../src/store.ts";
import { type Bench, inTurn, median, round, type Row, sleep, timeFleetbox } from "../bench.ts";
import { ratioRow, up } from "../up.ts";
import { memoryOfCopies, snapshotByHand } from "./by_hand.ts";
import {
  fork,
  makeTemplates,
  OF_A_RESTORE,
  pssMiB,
  removeAll,
  SETTLE_MS,
  untilExecuted,
  usedStore,
  warmUp,
} from "./own.ts";
import { warmRun } from "./warm.ts";

/** Row `fork`: a group of three. The group that the checkpoint was taken of is gone meanwhile. */
export async function forkedThree(bench: Bench): Promise<Row[]> {
  const store = await usedStore(bench);
  await makeTemplates(store, "a,b,c");
  await checkpointOf(store, "a,b,c", "seeded");
  let count = 0;
  const timed = (what: string, start: Parameters<typeof untilExecuted>[1]) =>
    warmRun(bench, store, () => untilExecuted(store, start), what);
  const [forks, warm] = await inTurn(
    bench.runs,
    () => timed("fork of three, exec true in each", () => fork(store, "seeded", `run${++count}`)),
    () => timed("warm up a,b,c, exec true in each", () => warmUp(store, "a,b,c")),
  );
  return [
    ratioRow(
      "fork of three micro, until exec true in each",
      forks,
      "warm up a,b,c, until exec true in each",
      warm,
      1.1,
      OF_A_RESTORE,
    ),
  ];
}

/** Row `fork-memory`: each fork is a group of its own. What is around its machine is told, and has no limit. */
export async function forksMemory(bench: Bench): Promise<Row[]> {
  const bare = await memoryOfCopies(bench, await snapshotByHand(bench), bench.machines);
  await bench.endMeasurement();
  const store = await usedStore(bench);
  await checkpointOf(store, "a", "one");
  for (let index = 1; index <= bench.machines; index++) {
    const { members: [{ name }] } = await fork(store, "one", `f${index}`);
    await timeFleetbox(store, ["exec", name, "--", "true"]);
  }
  await sleep(SETTLE_MS);
  const groups = store.groupRecords();
  const machines = groups.flatMap(({ hypervisors }) => Object.values(hypervisors));
  if (machines.length !== bench.machines) throw new Error(`${machines.length} forks run, expected ${bench.machines}`);
  const own = machines.map(({ pid }) => pssMiB(pid));
  const others = groups.flatMap(({ holder, guardian, gateway }) => [holder, guardian, gateway]);
  const around = others.map((process) => process ? pssMiB(process.pid) : 0).reduce((sum, each) => sum + each, 0) /
    machines.length;
  bench.say(
    `PSS of a fork's machine ${round(median(own))} MiB, of its holder, guardian and gateway ${round(around)} MiB`,
  );
  return [{
    what: `memory (PSS) of each machine of ${machines.length} forks of one micro`,
    measured: round(median(own)),
    unit: "MiB",
    against: { what: `${machines.length} QEMUs restored by hand, each`, value: round(median(bare)) },
    limit: { kind: "ratio", value: 1.15 },
    runs: { measured: own.map((each) => round(each)), against: bare.map((each) => round(each)) },
    note: `not in it: ${round(around)} MiB a fork for its holder, guardian and gateway`,
  }];
}

/** A checkpoint of members that are brought up for it, and removed again. */
async function checkpointOf(store: Store, names: string, as: string): Promise<void> {
  await up(store, names);
  await timeFleetbox(store, ["checkpoint", names, "--as", as]);
  await removeAll(store);
}
