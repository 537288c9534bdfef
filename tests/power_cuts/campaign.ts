/**
 * A campaign of power cuts: a real guest writes and syncs records, its power is cut at random moments, with each mode in turn, and
 * each record that it had acknowledged must be there when it boots again. Its kernel must not complain, and its disk's image and
 * file system must be whole. Some cuts come as soon as it runs, and some come to a holder that has adopted it.
 */

import { pause } from "../../src/core/deadline.ts";
import { LOSS_MODES } from "../../src/core/power_cut.ts";
import { randomStream } from "../../src/core/random.ts";
import { diskOf } from "../../src/store/disk.ts";
import { problemsOfImage, readFileSystem } from "../checkpoints/disks.ts";
import type { Result } from "../support/command.ts";
import { type Sandbox, sandbox } from "../support/sandbox.ts";
import { fileWriter } from "./file_writer.ts";
import { acknowledged, complaints, prepareWriter, startWriter, type Writer } from "./writer.ts";

export interface CampaignOptions {
  seed: number;
  count: number;
  /** It makes no further cut after so many seconds. */
  seconds?: number;
  /** @default one that appends to a file, and syncs it */
  writer?: Writer;
  say?: (line: string) => void;
}

export interface CampaignResult {
  seed: number;
  cuts: number;
  /** Records that were acknowledged, and so had to be there. */
  records: number;
  /** Writes that were not flushed at the cuts, those of them that were lost, and how many writes were torn. */
  unflushed: number;
  lost: number;
  torn: number;
  /** Cuts that found nothing to lose: they prove nothing. */
  idle: number;
  /** Cuts by a holder that had adopted the machine. */
  adopted: number;
  /** Cuts whose holder was killed meanwhile, with the same command again after it. */
  killed: number;
  seconds: number;
}

/** The longest time that the guest writes before a cut. */
const PAUSE_MS = 2_000;
/** A cut takes about as long: longer, when much was written. */
const KILL_MS = 250;
/** What a second command says of a cut that the first had made. */
const NOTHING = { unflushed: 0, lost: 0, torn: undefined };
/** How many layers a disk may be based on: what logs leave is merged. */
const MAX_LAYERS = 17;

/** @throws what does not fit */
export async function campaign(
  { seed, count, seconds = Infinity, writer = fileWriter, say = () => {} }: CampaignOptions,
): Promise<CampaignResult> {
  await using box = await sandbox({ limitMs: 300_000 });
  const random = randomStream("campaign of power cuts", seed);
  const result: CampaignResult = {
    ...{ seed, cuts: 0, records: 0, unflushed: 0, lost: 0, torn: 0, idle: 0, adopted: 0, killed: 0, seconds: 0 },
  };
  const begun = performance.now();
  const elapsed = () => (performance.now() - begun) / 1000;
  await box.up("a", "--log-writes", ...writer.options);
  await prepareWriter(box, "a", writer);
  let last = 0;
  while (result.cuts < count && elapsed() < seconds) {
    const mode = LOSS_MODES[result.cuts % LOSS_MODES.length];
    const writing = startWriter(box, "a", writer, last);
    await writing.printed(/^\d+\n/);
    await pause(random.below(PAUSE_MS));
    const isOrphan = random.below(10) === 0;
    if (isOrphan) {
      await box.killHolder("a");
      result.adopted++;
    }
    const seeded = mode === "all" ? [] : ["--seed", String(random.below(1_000_000))];
    const flags = ["--force", "--lose-unflushed", mode, ...seeded, "--json"];
    const isKilled = !isOrphan && random.below(6) === 0;
    const cut = isKilled ? await cutAndKill(box, flags, random.below(KILL_MS)) : await box.ok("stop", "a", ...flags);
    await writing.done.catch(() => {});
    const acked = acknowledged(writing, last);
    const told = /\{"event":"stop".*/.exec(cut.stdout)?.[0] ?? "{}";
    const [{ unflushed, lost, torn }] = JSON.parse(told).power_cuts?.concat(NOTHING) ?? [NOTHING];
    if (isKilled) result.killed++;
    result.cuts++;
    result.unflushed += unflushed;
    result.lost += lost;
    if (torn) result.torn++;
    if (unflushed === 0 && !isKilled) result.idle++;

    const disk = diskOf(box.store, box.store.config("a")!);
    // A holder that was killed may have left half a disk beside it, and a file that it was making.
    const fileSystem = random.below(5) === 0 ? (await readFileSystem(disk, box.root)).problems : [];
    await box.up("a");
    const found = await writer.count(box, "a");
    const problems = [...await problemsOfDisk(box, disk), ...fileSystem, ...await complaints(box, "a")];
    if (found < acked) problems.push(`it had acknowledged record ${acked}, and has ${found}`);
    const layers = box.store.config("a")!.layers!.length;
    if (layers > MAX_LAYERS) problems.push(`its disk is based on ${layers} layers`);
    const what = `cut ${result.cuts}, ${mode} ${seeded.join(" ")}: record ${acked} acknowledged, ${found} there, ` +
      `${lost} of ${unflushed} writes lost`;
    say(what);
    if (problems.length > 0) throw new Error(`seed ${seed}: ${what}:\n${problems.join("\n")}`);
    result.records += acked - last;
    await writer.forgetLater(box, "a", acked);
    last = acked;
  }
  await box.ok("stop", "a");
  await box.ok("rm", "-f", "a");
  result.seconds = Math.round(elapsed());
  if (result.lost === 0) throw new Error(`seed ${seed}: ${result.cuts} cuts have lost nothing, so they prove nothing`);
  return result;
}

/**
 * Cuts it, kills the holder so long after the cut was asked for, and asks once more.
 * @returns the second command, which must succeed: it cuts the machine, if that runs still
 */
async function cutAndKill(box: Sandbox, flags: readonly string[], afterMs: number): Promise<Result> {
  const { pid } = await box.report("a");
  const first = box.start(["stop", "a", ...flags]);
  await first.printed(/"stopping"/);
  await pause(afterMs);
  const holder = box.processes("holder").find((process) => process.pid === pid);
  if (holder) await box.killOrphaning(holder);
  await first.done.catch(() => {});
  return await box.ok("stop", "a", ...flags);
}

/** The disk that the cut left, which is a layer since the machine runs again. */
async function problemsOfDisk(box: Sandbox, disk: string): Promise<string[]> {
  const [layer] = box.store.config("a")!.layers!;
  const path = `${box.store.snapshotsDir}/layers/${layer}.qcow2`;
  const problems = await problemsOfImage(path);
  return problems.map((problem) => `${problem} (was ${disk})`);
}
