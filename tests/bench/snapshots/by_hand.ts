/**
 * The counterparts of the snapshots' rows, by hand from start to end. As a program it measures them alone, and prints JSON:
 *
 *     node_modules/.bin/deno run -A tests/bench/snapshots/by_hand.ts [--image debian-12] [--runs N] [--machines N]
 */

import type { Options } from "../../../src/core/options.ts";
import type { Store } from "../../../src/store.ts";
import { flagsOr, parseArgs } from "../../../scripts/flags.ts";
import { provideCachedImage } from "../../distro/images.ts";
import { prepareBare, type Stages } from "../bare_qemu.ts";
import { Bench, median, round, sleep } from "../bench.ts";
import { breakdown } from "../up.ts";
import { BareCopies } from "./bare_restore.ts";
import { type BareSnapshot, bootByHand, type RunningBare, saveByHand } from "./bare_save.ts";
import { OF_A_RESTORE, OF_A_SAVE, pssMiB, quietDisk, SETTLE_MS, usedStore } from "./own.ts";

/** A snapshot, and the store whose key its guest accepts. */
interface SavedByHand {
  store: Store;
  snapshot: BareSnapshot;
}

/** A snapshot of a micro whose SSH server answers for the first time, as a template is; the micro has ended. */
export async function snapshotByHand(bench: Bench): Promise<SavedByHand> {
  const store = await usedStore(bench);
  const running = await bootByHand(bench, store, await prepareBare(store, "bare"), "ssh");
  return { store, snapshot: await endBySave(bench, running) };
}

async function endBySave(bench: Bench, running: RunningBare): Promise<BareSnapshot> {
  const directory = await Deno.makeTempDir({ dir: bench.directory, prefix: "s" });
  bench.defer(() => Deno.remove(directory, { recursive: true }));
  const { snapshot } = await saveByHand(running, directory);
  running.child.kill("SIGKILL");
  await running.child.status;
  return snapshot;
}

/** Restores some machines at once, and ends them. */
export async function restoreOnce(
  bench: Bench,
  { store, snapshot }: SavedByHand,
  count: number,
): Promise<{ ms: number; stages: Stages }> {
  await using copies = await BareCopies.prepare(bench, store, snapshot, count);
  await quietDisk();
  const result = await copies.restore();
  bench.say(`${count} restored by hand ${round(result.ms)} ms`);
  return result;
}

/** Saves a machine, which goes on. */
export async function saveOnce(bench: Bench, running: RunningBare): Promise<{ pausedMs: number; stages: Stages }> {
  const directory = await Deno.makeTempDir({ dir: bench.directory, prefix: "s" });
  await quietDisk();
  const { snapshot, pausedMs, stages } = await saveByHand(running, directory);
  bench.say(`paused by hand ${round(pausedMs)} ms`);
  await Deno.remove(snapshot.memory); // the disks are a chain, and stay
  return { pausedMs, stages };
}

/** The memory (PSS) of each of some machines, MiB. */
export async function memoryOfCopies(bench: Bench, { store, snapshot }: SavedByHand, count: number): Promise<number[]> {
  await using copies = await BareCopies.prepare(bench, store, snapshot, count);
  await copies.restore();
  await sleep(SETTLE_MS);
  const each = copies.pids.map(pssMiB);
  bench.say(`PSS of each of ${count} QEMUs restored by hand ${round(median(each))} MiB`);
  return each;
}

async function measureAlone(bench: Bench, image: string): Promise<unknown> {
  const store = await usedStore(bench);
  if (image !== "micro") {
    const missing = await provideCachedImage(store, image);
    if (missing !== undefined) throw new Error(`${image}: ${missing}`);
  }
  const options: Options = image === "micro" ? {} : { image, mem: 0.5 };
  const running = await bootByHand(bench, store, await prepareBare(store, "bare", options), "quiet");
  const saves = [];
  for (let run = 0; run < bench.runs; run++) saves.push(await saveOnce(bench, running));
  const saved = { store, snapshot: await endBySave(bench, running) };
  const restores: Record<string, unknown> = {};
  for (const count of new Set([1, 3, bench.machines])) {
    const results = [];
    for (let run = 0; run < bench.runs; run++) results.push(await restoreOnce(bench, saved, count));
    restores[count] = { ms: results.map(({ ms }) => round(ms)), stages: breakdown(results, [], OF_A_RESTORE) };
  }
  const memory = await memoryOfCopies(bench, saved, bench.machines);
  return {
    image,
    pausedMs: saves.map(({ pausedMs }) => round(pausedMs)),
    stages: breakdown(saves, [], OF_A_SAVE),
    restores,
    pssMiB: memory.map((each) => round(each)),
  };
}

if (import.meta.main) {
  const { image, runs, machines } = flagsOr("by_hand: expected --image ALIAS, --runs N, --machines N", () =>
    parseArgs({
      args: Deno.args,
      options: {
        image: { type: "string", default: "micro" },
        runs: { type: "string", default: "3" },
        machines: { type: "string", default: "20" },
      },
    }).values);
  const bench = await Bench.open(Number(runs), (line) => console.error(`bench: ${line}`), Number(machines));
  try {
    console.log(JSON.stringify(await measureAlone(bench, image), null, 2));
  } finally {
    await bench[Symbol.asyncDispose]();
  }
}
