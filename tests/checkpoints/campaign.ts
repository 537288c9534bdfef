/**
 * A campaign of checkpoints: a group of real members under load is saved at random moments and forked, and every fork must go on from
 * one instant, as the group itself must go on.
 *
 * The members are a ring: each sends numbered records to the next over TCP, counts in a file that it syncs, and floods the next
 * one with pings (`load.sh`). In each fork, and in the group: no record is missing or comes twice; each that came was sent by
 * this sender, in this future (they have random words), and before it came; the count goes on, in memory, in the file and
 * on the disk; the kernels complain of nothing; the clocks are right. Each layer holds what the fork and the group had
 * counted until then, and no more; the disks of ended forks are whole, with their file systems.
 *
 * Most checkpoints get one fork; of every ten one gets three at once, of one the fork is saved and forked itself, of one it is
 * suspended and resumed, and to one the group is taken back.
 */

import { join } from "../../src/core/paths.ts";
import { diskOf } from "../../src/store/disk.ts";
import { bytesUsed } from "../../src/system/files.ts";
import { snapshotPaths } from "../../src/store/snapshots.ts";
import { Random } from "../chaos/random.ts";
import type { Found } from "../support/processes.ts";
import { type Sandbox, sandbox } from "../support/sandbox.ts";
import { problemsOfImage, readFileSystem } from "./disks.ts";
import { fork, inspect, type Inspection, problemsOfClock, startLoad } from "./group.ts";
import { last, problemsSince, type Records } from "./look.ts";

export interface CampaignOptions {
  seed: number;
  /** How many checkpoints of the group. */
  count: number;
  /** It takes no further checkpoint after so many seconds. */
  seconds?: number;
  /** How many members it has. @default 2 */
  members?: number;
  /** Told what happens. */
  say?: (line: string) => void;
}

export interface CampaignResult {
  seed: number;
  members: number;
  checkpoints: number;
  /** Forks of the group's checkpoints, and of those the ones that were checkpointed and forked, or suspended and resumed. */
  forks: number;
  forksOfForks: number;
  resumed: number;
  /** How often the group itself was taken back. */
  restored: number;
  /** The most records in one stream of the group, and the highest count. */
  records: number;
  counted: number;
  /** File systems that were checked: of layers, and of ended forks. */
  fileSystems: number;
  /** The clock that was the farthest off, in milliseconds. */
  clockMs: number;
  /** How many layers a disk of the group is based on at the end. */
  layers: number;
  /** How long each took, in milliseconds: the median of the first ten, and of the last ten. */
  times: Record<string, [number, number]>;
  /** What the group's QEMUs use, all together, after the first checkpoint and after the last: MiB, open files. */
  machines: [Use, Use];
  /** What the group's disks and layers take up at the end, MiB. */
  diskMiB: number;
  seconds: number;
}

interface Use {
  mib: number;
  files: number;
}

/** Something does not go on from one instant. */
export class Torn extends Error {
  override readonly name = "Torn";
}

/** How many records a member must receive while it is looked at. */
const RECORDS = 20;
/** The longest wait before a checkpoint. */
const PAUSE_MS = 1_500;
const SAVED = "fork that was saved";
const LETTERS = ["a", "b", "c", "d", "e"];

/** @throws {Torn} what does not fit, and where */
export async function campaign(options: CampaignOptions): Promise<CampaignResult> {
  await using box = await sandbox({ limitMs: 300_000, env: { FLEETBOX_ACCEL: "tcg" } });
  return await new Campaign(box, options).run();
}

class Campaign {
  readonly #names: string[];
  readonly #random: Random;
  readonly #times = new Map<string, number[]>();
  readonly #result: CampaignResult;
  #number = 0;

  constructor(private readonly box: Sandbox, private readonly options: CampaignOptions) {
    const { seed, members = 2 } = options;
    this.#names = LETTERS.slice(0, members);
    this.#random = new Random(seed);
    this.#result = {
      seed,
      members,
      checkpoints: 0,
      forks: 0,
      forksOfForks: 0,
      resumed: 0,
      restored: 0,
      records: 0,
      counted: 0,
      fileSystems: 0,
      clockMs: 0,
      layers: 0,
      times: {},
      machines: [{ mib: 0, files: 0 }, { mib: 0, files: 0 }],
      diskMiB: 0,
      seconds: 0,
    };
  }

  async run(): Promise<CampaignResult> {
    const began = performance.now();
    const [box, result] = [this.box, this.#result];
    await box.up(this.#names.join(","));
    await startLoad(box, this.#names);
    await this.#inspect(this.#names, "group");
    const { count, seconds = Infinity } = this.options;
    const isOver = () => this.#number > count || performance.now() - began > seconds * 1000;
    for (this.#number = 1; !isOver(); this.#number++) {
      await this.#round();
      result.checkpoints++;
      result.machines[1] = this.#use();
      if (this.#number === 1) result.machines[0] = result.machines[1];
      if (this.#number % 5 === 0) this.#say(performance.now() - began);
    }
    await this.#end();
    result.times = Object.fromEntries([...this.#times].map(([what, all]) => [what, firstAndLast(all)]));
    result.seconds = Math.round((performance.now() - began) / 1000);
    return result;
  }

  async #round(): Promise<void> {
    const { box, options: { seed } } = this;
    const [names, number, result] = [this.#names, this.#number, this.#result];
    await new Promise((later) => setTimeout(later, this.#random.whole(0, PAUSE_MS)));
    const as = `s${number}`;
    await this.#timed("checkpoint", () => box.ok("checkpoint", ...names, "--as", as));
    const kind = (number + seed) % 10;
    const forkNames = kind === 0 ? ["x", "y", "z"] : ["x"];
    const forks = await Promise.all(
      forkNames.map((name) => this.#timed("fork", () => fork(box, names, as, `${name}${number}`))),
    );
    result.forks += forks.length;
    const seen = await Promise.all(forks.map((members) => this.#inspect(members, "fork")));
    if (kind === 4) await this.#forkAgain(forks[0]);
    if (kind === 7) await this.#resume(forks[0]);
    for (const members of forks) await this.#endFork(members, kind % 5 === 2);
    const group = await this.#inspect(names, "group");
    if (kind % 5 === 2) await this.#layers(as, [...seen, group]);
    if (kind === 9) await this.#restore(as);
    await this.#timed("remove", () => box.ok("checkpoint", "rm", as));
  }

  /** A fork that has run is saved and forked itself. */
  async #forkAgain(members: string[]): Promise<void> {
    const as = `t${this.#number}`;
    await this.box.ok("checkpoint", ...members, "--as", as);
    const again = await fork(this.box, members, as, as);
    await this.#inspect(again, "fork of a fork");
    await this.#inspect(members, SAVED);
    await this.#endFork(again, false);
    await this.box.ok("checkpoint", "rm", as);
    this.#result.forksOfForks++;
  }

  async #resume(members: string[]): Promise<void> {
    await this.box.ok("suspend", ...members);
    await this.box.up(members.join(","));
    await this.#inspect(members, "fork that was suspended");
    this.#result.resumed++;
  }

  /** The group goes back to its checkpoint. */
  async #restore(checkpoint: string): Promise<void> {
    await this.box.ok("restore", checkpoint, "--yes");
    await this.#inspect(this.#names, "group that was restored");
    this.#result.restored++;
  }

  /** Ends a fork without asking its guests, as a power cut does. Its disks must be whole. */
  async #endFork(members: string[], isRead: boolean): Promise<void> {
    const { box } = this;
    await box.ok("stop", "--force", ...members);
    const disks = members.map((name) => diskOf(box.store, box.store.config(name)!));
    this.#check("fork's disk", (await Promise.all(disks.map(problemsOfImage))).flat());
    for (const disk of isRead ? disks : []) {
      const { problems } = await readFileSystem(disk, box.root);
      this.#check("fork's file system", problems);
      this.#result.fileSystems++;
    }
    await box.ok("rm", "--force", ...members);
  }

  /** The layers of a checkpoint have what the group had counted then: no less, and nothing from later. */
  async #layers(checkpoint: string, seen: readonly Inspection[]): Promise<void> {
    const { layer } = snapshotPaths(this.box.store);
    for (const [index, name] of this.#names.entries()) {
      const config = this.box.store.config(name)!;
      const { problems, count } = await readFileSystem(layer(config.layers![0]), this.box.root);
      const counts = seen.map(({ looks }) => looks[index]);
      this.#check(`layer of ${checkpoint}`, [
        ...problems,
        ...counts.flatMap((look) =>
          problemsSince(look.member, look.count, { before: count, what: `the layer of ${name}` })
        ),
      ]);
      this.#result.fileSystems++;
    }
  }

  async #inspect(names: readonly string[], what: string): Promise<Inspection> {
    const seen = await this.#timed(`look at a ${what}`, () => inspect(this.box, names, RECORDS));
    this.#check(what, seen.problems);
    const result = this.#result;
    if (names === this.#names) {
      result.records = Math.max(...seen.looks.map(({ got }) => last(got)));
      result.counted = Math.max(...seen.looks.map(({ n }) => n));
    }
    if (what === "group" || what === SAVED) return seen; // clocks stand still while they are saved
    this.#check(`clock of a ${what}`, names.flatMap((name, index) => problemsOfClock(name, seen.clocks[index])));
    result.clockMs = Math.max(result.clockMs, ...seen.clocks.map(({ ms }) => ms));
    return seen;
  }

  async #end(): Promise<void> {
    const { box } = this;
    const [names, result] = [this.#names, this.#result];
    const counts = (await this.#inspect(names, "group")).looks.map(({ count }): Records => count);
    await box.ok("stop", ...names);
    await box.empty();
    for (const [index, name] of names.entries()) {
      const config = box.store.config(name)!;
      const disk = diskOf(box.store, config);
      const { problems, count } = await readFileSystem(disk, box.root);
      const since = problemsSince(name, count, { before: counts[index], what: "its file while it ran" });
      this.#check("group's disk", [...await problemsOfImage(disk), ...problems, ...since]);
      result.layers = Math.max(result.layers, config.layers!.length);
    }
    const bytes = bytesUsed(box.store.clustersDir) + bytesUsed(snapshotPaths(box.store).layersDir);
    result.diskMiB = Math.round(bytes / 1024 / 1024);
    const kept = new Set(names.flatMap((name) => box.store.config(name)!.layers!));
    const layers = [...Deno.readDirSync(snapshotPaths(box.store).layersDir)].map(({ name }) => name.split(".")[0]);
    this.#check("store", layers.filter((id) => !kept.has(id)).map((id) => `the layer ${id} has no reader`));
    this.#check("store", box.debris().map((path) => `left behind: ${path}`));
  }

  async #timed<T>(what: string, work: () => Promise<T>): Promise<T> {
    const began = performance.now();
    const done = await work();
    this.#times.set(what, [...this.#times.get(what) ?? [], performance.now() - began]);
    return done;
  }

  #use(): Use {
    const machines = this.box.processes("machine").filter(({ name }) => this.#names.includes(name));
    const sum = (of: (machine: Found) => number) => machines.reduce((total, machine) => total + of(machine), 0);
    return { mib: Math.round(sum(residentKiB) / 1024), files: sum(openFiles) };
  }

  #say(elapsedMs: number): void {
    const { checkpoints, forks, records } = this.#result;
    const times = ["checkpoint", "fork"].map((what) => `${what} ${median(this.#times.get(what)!.slice(-10))} ms`);
    this.options.say?.(
      `${checkpoints} checkpoints, ${forks} forks, ${records} records, ${times.join(", ")}, ${
        Math.round(elapsedMs / 1000)
      } s`,
    );
  }

  #check(what: string, problems: readonly string[]): void {
    if (problems.length === 0) return;
    const { seed, members } = this.#result;
    throw new Torn(
      [
        `seed ${seed}, ${members} members, checkpoint ${this.#number}, ${what}:`,
        ...problems,
        "the holders' logs:",
        this.box.holderLogs().split("\n").slice(-80).join("\n"),
      ].join("\n"),
    );
  }
}

function residentKiB({ pid }: Found): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`))?.[1]);
}

function openFiles({ pid }: Found): number {
  return [...Deno.readDirSync(join("/proc", String(pid), "fd"))].length;
}

function firstAndLast(all: readonly number[]): [number, number] {
  return [median(all.slice(0, 10)), median(all.slice(-10))];
}

function median(all: readonly number[]): number {
  const sorted = all.toSorted((a, b) => a - b);
  return Math.round((sorted[Math.floor((sorted.length - 1) / 2)] + sorted[Math.floor(sorted.length / 2)]) / 2);
}
