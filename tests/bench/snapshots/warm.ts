/** How long a warm start takes, against machines restored by hand and against cold starts; and what taking a template costs. */

import type { Store } from "../../../src/store.ts";
import { provideCachedImage } from "../../distro/images.ts";
import { type Bench, inTurn, round, type Row } from "../bench.ts";
import { ratioRow, type Timed, up } from "../up.ts";
import { restoreOnce, snapshotByHand } from "./by_hand.ts";
import {
  makeTemplates,
  OF_A_RESTORE,
  quietDisk,
  removeAll,
  untilExecuted,
  untilTemplates,
  usedStore,
  warmUp,
} from "./own.ts";

/** A Debian's cold start takes half a minute without KVM. */
const DEBIAN_RUNS = 3;
const DEBIAN = ["--image", "debian-12", "--memory", "512M", "--timeout", "900"];

/** Row `warm`: three members. */
export async function warmThree(bench: Bench): Promise<Row[]> {
  const own = await usedStore(bench);
  await makeTemplates(own, "a,b,c");
  const bare = await snapshotByHand(bench);
  const [ours, theirs] = await inTurn(
    bench.runs,
    () => warmRun(bench, own, () => untilExecuted(own, () => warmUp(own, "a,b,c")), "warm up a,b,c, exec true in each"),
    () => restoreOnce(bench, bare, 3),
  );
  return [
    ratioRow(
      "warm up a,b,c, until exec true in each",
      ours,
      "three QEMUs restored by hand, until ssh true in each",
      theirs,
      1.3,
      OF_A_RESTORE,
    ),
  ];
}

/** Row `warm-many`: many members. */
export async function warmMany(bench: Bench): Promise<Row[]> {
  const count = bench.machines;
  const options = ["-n", String(count), "--timeout", "900"];
  const own = await usedStore(bench);
  await makeTemplates(own, "node", options);
  const bare = await snapshotByHand(bench);
  const [ours, theirs] = await inTurn(
    bench.runs,
    () => warmRun(bench, own, () => warmUp(own, "node", options), `warm up node -n ${count}`),
    () => restoreOnce(bench, bare, count),
  );
  return [
    ratioRow(
      `warm up node -n ${count}, until it has returned`,
      ours,
      `${count} QEMUs restored by hand, until ssh true in each`,
      theirs,
      1.3,
      OF_A_RESTORE,
    ),
  ];
}

/** Row `warm-one`: one micro, `up` to exit. */
export async function warmOne(bench: Bench): Promise<Row[]> {
  const store = await usedStore(bench);
  await makeTemplates(store, "a");
  const [warm, cold] = await inTurn(
    bench.runs,
    () => warmRun(bench, store, () => warmUp(store, "a"), "warm up a"),
    () => warmRun(bench, store, () => up(store, "a", ["--cold"]), "up a --cold"),
  );
  return [ratioRow("warm up of one micro, until it has returned", warm, "up --cold", cold, 0.25, OF_A_RESTORE)];
}

/** Row `warm-debian`: left out, and told, where the tests' cache has no Debian. */
export async function warmDebian(bench: Bench): Promise<Row[]> {
  const store = await usedStore(bench);
  const missing = await provideCachedImage(store, "debian-12");
  if (missing !== undefined) return leaveOut(bench, "warm-debian", missing);
  await makeTemplates(store, "a", DEBIAN);
  const timed = (what: string, start: Parameters<typeof untilExecuted>[1]) =>
    warmRun(bench, store, () => untilExecuted(store, start), what);
  const [warm, cold] = await inTurn(
    Math.min(bench.runs, DEBIAN_RUNS),
    () => timed("warm up of a Debian, exec true", () => warmUp(store, "a", DEBIAN)),
    () => timed("up --cold of a Debian, exec true", () => up(store, "a", [...DEBIAN, "--cold"])),
  );
  return [
    ratioRow("warm up of a Debian 12, until exec true", warm, "up --cold, until exec true", cold, 0.1, OF_A_RESTORE),
  ];
}

/** Row `template`: what taking one costs the `up` that takes it. A new store each time, for it has no template. */
export async function takenTemplate(bench: Bench): Promise<Row[]> {
  const run = async (options: string[], expected: number, what: string) => {
    const store = await usedStore(bench);
    await quietDisk();
    const result = await up(store, "a", options);
    bench.say(`${what} ${round(result.ms)} ms`);
    await untilTemplates(store, expected);
    await removeAll(store);
    return result;
  };
  const [taken, plain] = await inTurn(
    bench.runs,
    () => run([], 1, "up a, with a template"),
    () => run(["--no-template"], 0, "up a --no-template"),
  );
  return [ratioRow("cold up of one micro that takes a template", taken, "up --no-template", plain, 1.1)];
}

/** A start of ours, timed by itself; its members are removed again. */
export async function warmRun<T extends Timed>(
  bench: Bench,
  store: Store,
  start: () => Promise<T>,
  what: string,
): Promise<T> {
  await quietDisk();
  const result = await start();
  bench.say(`${what} ${round(result.ms)} ms`);
  await removeAll(store);
  return result;
}

export function leaveOut(bench: Bench, row: string, reason: string): Row[] {
  bench.leftOut.push(`${row}: ${reason}`);
  bench.say(`left out: ${row}: ${reason}`);
  return [];
}
