/**
 * A campaign: random user commands on a real store, with kills and freezes in the middle of them, and after each round the
 * invariants. With the fake QEMU it is quick; with real QEMU the guests' own files are checked as well.
 *
 * A round is an initial state, a few steps, and then: no member stays in `starting`; every hypervisor belongs to
 * a holder or an orphan; no two use one disk; the last `up` of the round, once more, succeeds; `ls --repair` adopts what lost its
 * holder, as it is; all can be stopped, whatever state they were in; no process is left, every disk is there and whole;
 * `up` of all of them succeeds, what guests had synced is there; and when they are stopped again the store has nothing
 * but the members. A failure names the seed and the round, and lists what was done.
 *
 * Rounds make faults, too, of networks and machines: after `heal` none is left, nothing stands still, and frames pass.
 *
 * Rounds also save, fork, restore and suspend members (`snapshots.ts`): every checkpoint that is listed can be read, and at the
 * round's end forked; no layer that something reads is gone; a machine's memory is never loaded beside a disk that does not
 * fit; the last such command, once more, succeeds, or is refused because it has been done.
 */

import { isAlive } from "../../src/system/process.ts";
import type { Behaviour } from "../fake_qemu/qemu.ts";
import { type Sandbox, sandbox, told } from "../support/sandbox.ts";
import { handled } from "../support/socket.ts";
import { withAgents } from "../support/files.ts";
import { type Found, kill, parentOf, signal, until } from "../support/processes.ts";
import type { Running } from "../support/command.ts";
import {
  type Disks,
  disksAreWhole,
  disksLast,
  disksOf,
  hypervisorsBelong,
  noSharedDisks,
  type Orphans,
  orphansOf,
  wasTakenBack,
} from "./invariants.ts";
import { checkpoints, readCheckpoint, withSnapshotLock } from "../../src/store/snapshots.ts";
import { fakeGuests, faultsAreOver, isPausedByFault } from "./faults.ts";
import { type Blow, CHECKPOINTS, drawRound, FORKS, type Round, type Step, type Victim } from "./plan.ts";
import {
  isAmidSnapshot,
  layersAreWhole,
  mayBeRefused,
  restoredBy,
  savesOrRestores,
  snapshotDebris,
  snapshotsAreWhole,
  unreadLayers,
} from "./snapshots.ts";

export interface CampaignOptions {
  seed: number;
  /** The campaign ends after the round in which so many kills have hit a process. */
  kills?: number;
  /** It begins no round after so many seconds. */
  seconds?: number;
  /** Only this round, from a store of its own. */
  round?: number;
  /** Steps of a round. @default 5 */
  steps?: number;
  /** Real QEMU and the micro image, instead of the fake QEMU. */
  real: boolean;
  /** Told what happens. */
  say?: (line: string) => void;
}

export interface CampaignResult {
  seed: number;
  real: boolean;
  rounds: number;
  commands: number;
  kills: Record<Victim, number>;
  freezes: number;
  /** How often a command was refused or failed, or was killed: allowed after a blow. */
  failedCommands: number;
  /** How often an `up` was run again and succeeded. */
  sameAgain: number;
  /** Machines of a killed holder that a new one adopted. */
  takenBack: number;
  /** Files of guests that were synced before a kill and read after. */
  filesKept: number;
  /** How often all faults were healed, and nothing of them was left. */
  healed: number;
  /** Kills that hit amid a save or a restore; checkpoints that were there after their round, and forked. */
  killsAmid: number;
  checkpointsForked: number;
  seconds: number;
}

/** An invariant that did not hold. */
export class BrokenInvariant extends Error {
  override readonly name = "BrokenInvariant";
  /** What was done before. */
  result?: CampaignResult;
}

const SETTLE_LIMIT_MS = 120_000;

/** Runs a campaign to its end. @throws {BrokenInvariant} with how to replay it, the round's history and the holders' logs. */
export async function campaign(options: CampaignOptions): Promise<CampaignResult> {
  const { real, kills = Infinity, seconds = Infinity, round } = options;
  const began = performance.now();
  await using box = await sandbox({
    fakeQemu: real ? undefined : {},
    fakeSsh: !real,
    templates: true,
    env: real ? { FLEETBOX_ACCEL: "tcg" } : {},
  });
  box.leavesDebris();
  if (!real && options.seed % 2 === 1) withAgents(box); // else guests are told over SSH, and not all faults can be made
  const run = new Campaign(box, options);
  const elapsed = () => (performance.now() - began) / 1000;
  const result = () => ({ ...run.result, seconds: Math.round(elapsed()) });
  try {
    if (round !== undefined) await run.round(round);
    else {
      for (let number = 1; killsOf(run.result) < kills && elapsed() < seconds; number++) await run.round(number);
    }
  } catch (thrown) {
    if (thrown instanceof BrokenInvariant) thrown.result = result();
    throw thrown;
  }
  return result();
}

export function killsOf({ kills }: CampaignResult): number {
  return Object.values(kills).reduce((sum, count) => sum + count, 0);
}

class Campaign {
  readonly result: CampaignResult;
  readonly #names: string[];
  /** Disks that must be there: their members ran once, and no `rm` has named them since. */
  #disks: Disks = new Map();
  /** What each member's guest was told to keep, real machines only. */
  readonly #kept = new Map<string, string>();
  #history: string[] = [];
  #number = 0;
  /** What fake guests do. */
  #guests: Behaviour | undefined;

  constructor(private readonly box: Sandbox, private readonly options: CampaignOptions) {
    this.#names = options.real ? ["a", "b"] : ["a", "b", "c", "d"];
    this.result = {
      seed: options.seed,
      real: options.real,
      rounds: 0,
      commands: 0,
      kills: { command: 0, holder: 0, guardian: 0, pair: 0, machine: 0, gateway: 0, all: 0 },
      freezes: 0,
      failedCommands: 0,
      sameAgain: 0,
      takenBack: 0,
      filesKept: 0,
      healed: 0,
      killsAmid: 0,
      checkpointsForked: 0,
      seconds: 0,
    };
  }

  async round(number: number): Promise<void> {
    const { seed, real, steps } = this.options;
    const round = drawRound(seed, number, { names: this.#names, bootMs: real ? 6_000 : 900, steps });
    this.result.rounds++;
    this.#number = number;
    this.#history = [`round ${number}, which begins with all ${round.begin}`];
    this.#guests = real ? undefined : fakeGuests(round.fakeBootMs);
    if (this.#guests) this.box.behave({ "*": this.#guests });
    try {
      await this.#begin(round.begin);
      for (const step of round.steps) await this.#step(step);
      await this.#holdNow();
      const orphans = await orphansOf(this.box);
      await this.#sameUpAgain(round);
      await this.#repair(orphans);
      await this.#heal();
      await this.#sameSaveAgain(round);
      await this.#end(round);
    } catch (thrown) {
      throw thrown instanceof BrokenInvariant ? thrown : this.#broken([String(thrown)], thrown);
    }
    this.options.say?.(
      `${real ? "real" : "fake"} seed ${seed} round ${number}: ${JSON.stringify(this.result.kills)}`,
    );
  }

  async #begin(state: Round["begin"]): Promise<void> {
    if (state === "absent") {
      await this.#command("rm", "--all", "-f");
      this.#kept.clear();
    } else {
      await this.#command("up", this.#names.join(","), "--egress", "off");
      await this.#guestsKeep();
      await this.#checkpointThere();
      if (state === "stopped") await this.#command("stop", "--all");
    }
    this.#disks = disksOf(this.box);
  }

  async #step({ commands, blows }: Step): Promise<void> {
    const { box, result } = this;
    for (const command of commands) {
      this.#history.push(`$ fleetbox ${command.join(" ")}`);
      // What an `rm` names may be gone from here on, even if the command failed.
      if (command[0] === "rm") this.#giveUp([command[1]]);
      if (command[0] === "restore") this.#giveUp(restoredBy(box, command[1], this.#names));
    }
    result.commands += commands.length;
    const running = commands.map((command) => box.start(command));
    const over = Promise.withResolvers<void>();
    const struck = handled(Promise.all(blows.map((blow) => this.#strike(blow, running[0], over.promise))));
    const ends = await Promise.all(running.map((command) => command.done));
    over.resolve();
    await struck;
    for (const end of ends) {
      if (end.code !== 0) result.failedCommands++;
      this.#history.push(
        `  ${end.args.join(" ")}: ${end.signal ?? end.code} ${end.stderr.trim().replaceAll("\n", " | ").slice(-300)}`,
      );
      // 0 done, 1 failed, 3 not found, 4 timed out: never 2 (wrong usage), never an unexpected error.
      if (![0, 1, 3, 4, 137].includes(end.code) || /\n\s+at .*\.ts:\d+|Uncaught/.test(end.stderr)) {
        throw this.#broken([told(end)]);
      }
    }
    this.#hold([...noSharedDisks(box), ...await this.#disksLast(), ...await snapshotsAreWhole(box), ...box.torn()]);
  }

  /** Members that may be gone, or others, from here on, even if the command failed. */
  #giveUp(names: readonly string[]): void {
    for (const name of names) this.#disks.delete(name), this.#kept.delete(name);
  }

  /** Under the lock under which a disk is frozen: in between its new layer is on its way. */
  #disksLast(): Promise<string[]> {
    return withSnapshotLock(this.box.store, () => Promise.resolve(disksLast(this.#disks, disksOf(this.box))));
  }

  async #strike(blow: Blow, command: Running, over: Promise<void>): Promise<void> {
    if (blow.amid) await this.#untilAmid(over);
    await new Promise((later) => setTimeout(later, blow.afterMs));
    if (blow.amid && blow.how === "kill" && isAmidSnapshot(this.box)) this.result.killsAmid++;
    const victims = this.#find(blow, command);
    if (victims.length === 0) return;
    const named = victims.map(({ name, pid }) => `${name} (${pid})`).join(", ");
    this.#history.push(`  ${blow.how} ${blow.victim} ${named} after ${blow.afterMs} ms`);
    if (blow.how === "kill") {
      this.result.kills[blow.victim]++;
      if (blow.victim === "pair") return await this.box.killOrphaning(victims[0]);
      return void await Promise.all(victims.map(kill));
    }
    this.result.freezes++;
    for (const victim of victims) signal(victim, "SIGSTOP");
    await new Promise((later) => setTimeout(later, blow.forMs));
    for (const victim of victims) signal(victim, "SIGCONT");
  }

  /** Returns when a snapshot is being made or used, or the step is over. */
  async #untilAmid(over: Promise<void>): Promise<void> {
    let isOver = false;
    void over.then(() => isOver = true);
    while (!isOver && !isAmidSnapshot(this.box)) await new Promise((later) => setTimeout(later, 5));
  }

  #find({ victim, which }: Blow, command: Running): Found[] {
    const all = this.box.processes();
    if (victim === "all") return all;
    if (victim === "command") return all.filter(({ pid }) => pid === command.pid);
    const found = all.filter(({ kind }) => kind === (victim === "pair" ? "holder" : victim));
    return found.length === 0 ? [] : [found[Math.floor(which * found.length)]];
  }

  /** What must hold as soon as no member boots or stops any more. */
  async #holdNow(): Promise<void> {
    let last = "";
    await until("every member has settled", async () => {
      // A killed command may have spawned a holder that is just starting; a guardian may be becoming one.
      const serving = new Set(this.box.store.groupRecords().map(({ holder }) => holder.pid));
      const isBeginning = this.box.processes("holder").some(({ pid }) => !serving.has(pid)) ||
        this.box.processes("guardian").some(({ pid }) => !serving.has(parentOf(pid)));
      const views = Object.values(await this.box.ls());
      last = views.map(({ name, state, stage }) => `${name}=${state}${stage ? `(${stage})` : ""}`).join(" ");
      return !isBeginning &&
        !views.some((view) =>
          view.state === "starting" || view.state === "downloading" || view.stage === "stopping" ||
          (view.stage === "paused" && !isPausedByFault(view)) || (view.state === "stopped" && view.group)
        );
    }, SETTLE_LIMIT_MS).catch((thrown) => {
      throw this.#broken([`${thrown}: ${last}`]);
    });
    this.#history.push(`  settled: ${last}`);
    await this.#heal();
    this.#hold([...await hypervisorsBelong(this.box), ...noSharedDisks(this.box)]);
    this.#hold([...await this.#disksLast(), ...await snapshotsAreWhole(this.box), ...this.box.torn()]);
  }

  /** Faults of served groups end; those of orphaned ones go on when these are adopted. */
  async #heal(): Promise<void> {
    await this.#command("heal");
    this.#hold(await faultsAreOver(this.box, this.#guests));
    this.result.healed++;
  }

  /** The last `up` of the round once more: it succeeds, unless its members are in two groups that both live. */
  async #sameUpAgain({ steps }: Round): Promise<void> {
    const up = steps.flatMap(({ commands }) => commands).findLast(([verb]) => verb === "up");
    if (!up) return;
    const names = up[1].split(",");
    const groups = this.box.store.groupRecords().filter(({ hypervisors }) =>
      Object.entries(hypervisors).some(([name, machine]) => names.includes(name) && isAlive(machine))
    );
    this.#history.push(`$ fleetbox ${up.join(" ")}`);
    this.result.commands++;
    let end = await this.box.run(...up);
    if (/paused: by the fault/.test(end.stderr)) { // it has adopted a group with its faults
      await this.#heal();
      end = await this.box.run(...up);
    }
    if (end.code === 0) return void this.result.sameAgain++;
    if (groups.length > 1 && /two networks cannot merge/.test(end.stderr)) return;
    throw this.#broken([told(end)]);
  }

  /** The last command of the round that saves or restores, once more: it succeeds, or there is nothing for it to do. */
  async #sameSaveAgain({ steps }: Round): Promise<void> {
    const command = steps.flatMap(({ commands }) => commands).findLast(savesOrRestores);
    if (!command) return;
    this.#history.push(`$ fleetbox ${command.join(" ")}`);
    if (command[0] === "restore") this.#giveUp(restoredBy(this.box, command[1], this.#names));
    this.result.commands++;
    const end = await this.box.run(...command);
    if (end.code === 0) return void this.result.sameAgain++;
    if (!mayBeRefused(command[0], end.stderr)) throw this.#broken([told(end)]);
    this.#history.push(`  ${end.stderr.trim().replaceAll("\n", " | ").slice(-300)}`);
  }

  /** Orphans are adopted, unchanged. */
  async #repair(orphans: Orphans): Promise<void> {
    await this.#command("ls", "--repair");
    this.#hold(await wasTakenBack(this.box, orphans));
    this.result.takenBack += orphans.machines.length;
  }

  async #end({ endByForce, endWith }: Round): Promise<void> {
    const { box } = this;
    const names = this.#names.join(",");
    const force = endByForce ? ["--force"] : [];
    await this.#command("stop", "--all", ...force);
    await box.empty();
    this.#hold([...disksLast(this.#disks, disksOf(box)), ...await disksAreWhole(box), ...await layersAreWhole(box)]);
    await this.#endForks();
    await this.#command("up", names, "--egress", "off");
    await this.#guestsKept();
    await this.#forkAll();
    await this.#endWith(endWith);
    await this.#command("stop", "--all", ...force);
    await box.empty();
    // What killed processes left was swept by later ones.
    this.#hold([...box.debris().map((path) => `left behind: ${path}`), ...snapshotDebris(box, this.#names)]);
    this.#hold([...box.torn(), ...await snapshotsAreWhole(box)]);
  }

  /** Forks are members like others: they start; then they go. */
  async #endForks(): Promise<void> {
    const { box } = this;
    for (const as of FORKS) {
      const names = box.stored().filter((name) => name.startsWith(`${as}-`));
      if (names.length === 0) continue;
      await this.#command("up", names.join(","), "--egress", "off");
      await this.#command("rm", ...names, "--force");
    }
  }

  /** Every checkpoint that is listed can be forked. */
  async #forkAll(): Promise<void> {
    for (const { name } of checkpoints(this.box.store)) {
      await this.#command("fork", name, "--as", "again");
      await this.#command("rm", ...this.box.stored().filter((one) => one.startsWith("again-")), "--force");
      this.result.checkpointsForked++;
    }
  }

  async #endWith(what: Round["endWith"]): Promise<void> {
    const [box, names] = [this.box, this.#names];
    if (what === "suspend") {
      await this.#command("suspend", ...names);
      await this.#command("up", names.join(","), "--egress", "off");
    } else if (what === "prune") {
      await this.#command("prune", "--force");
      this.#hold(unreadLayers(box));
    } else {
      await this.#command("checkpoint", ...names, "--as", "end");
      if (what === "restore") await this.#command("restore", "end", "--yes");
      else {
        await this.#command("fork", "end", "--as", "again");
        await this.#command("rm", ...names.map((name) => `again-${name}`), "--force");
      }
      await this.#command("checkpoint", "rm", "end");
    }
  }

  /** What forks and restores of the round go on from. */
  async #checkpointThere(): Promise<void> {
    if (readCheckpoint(this.box.store, CHECKPOINTS[0])) return;
    await this.#command("checkpoint", ...this.#names, "--as", CHECKPOINTS[0]);
  }

  /** A command that must succeed. */
  async #command(...args: string[]): Promise<void> {
    this.#history.push(`$ fleetbox ${args.join(" ")}`);
    this.result.commands++;
    const end = await this.box.run(...args);
    if (end.code !== 0) throw this.#broken([told(end)]);
  }

  /** Real guests: something new is written and synced. */
  async #guestsKeep(): Promise<void> {
    if (!this.options.real) return;
    for (const name of this.#names) {
      const text = `round-${this.#number}-${name}`;
      await this.box.ok("ssh", name, "--", `echo ${text} > /home/fleetbox/kept && sync`);
      this.#kept.set(name, text);
    }
  }

  /** Real guests: what was synced is there. */
  async #guestsKept(): Promise<void> {
    for (const [name, expected] of this.#kept) {
      const { stdout } = await this.box.ok("ssh", name, "--", "cat", "/home/fleetbox/kept");
      if (stdout.trim() !== expected) {
        throw this.#broken([`${name} kept ${JSON.stringify(stdout)}, expected ${expected}`]);
      }
      this.result.filesKept++;
    }
  }

  #hold(problems: string[]): void {
    if (problems.length > 0) throw this.#broken(problems);
  }

  #broken(problems: string[], cause?: unknown): BrokenInvariant {
    const { seed, real } = this.options;
    return new BrokenInvariant(
      [
        `${real ? "real QEMU" : "fake"}, seed ${seed}, round ${this.#number}:`,
        ...problems,
        `replay: ${replay(seed, this.#number, real)}`,
        "steps so far:",
        ...this.#history,
        "the holders' logs:",
        this.box.holderLogs(),
      ].join("\n"),
      { cause },
    );
  }
}

/** The command that plays one round again, ten times: how its blows fall is never quite the same. */
function replay(seed: number, round: number, real: boolean): string {
  return `make chaos CHAOS="--only ${real ? "real" : "fake"} --seed ${seed} --round ${round} --repeat 10"`;
}
