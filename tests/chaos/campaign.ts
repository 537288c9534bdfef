/**
 * A campaign: random user commands on a real store, with kills and freezes in the middle of them, and after each round the
 * invariants. With the stand-in it is quick; with real QEMU the guests' own files are checked as well.
 *
 * A round is a few steps, then: nobody is in `starting` for ever; every hypervisor belongs to somebody; the disks are
 * there; `stop --all` brings everything down, whatever state it was in; nothing is left but the members; `up` of all of
 * them succeeds. A failure names the seed and lists what was done.
 */

import { type Sandbox, sandbox, told } from "../harness/sandbox.ts";
import { type Found, kill, signal, until } from "../harness/processes.ts";
import type { Running } from "../harness/command.ts";
import { type Disks, disksAreWhole, disksLast, disksOf, hypervisorsBelong, noTwins } from "./invariants.ts";
import { type Blow, drawStep, type Step, type Victim } from "./plan.ts";
import { Random } from "./random.ts";

export interface CampaignOptions {
  seed: number;
  /** The campaign ends after the round in which so many kills have hit somebody. */
  kills: number;
  /** Real QEMU and the micro image, instead of the stand-in. */
  real: boolean;
  /** Told what happens. */
  say?: (line: string) => void;
}

export interface CampaignResult {
  seed: number;
  rounds: number;
  commands: number;
  kills: Record<Victim, number>;
  freezes: number;
  /** How often a command ended otherwise than with 0. */
  failedCommands: number;
  /** Files of guests that were synced before a kill and read after. */
  filesKept: number;
  seconds: number;
}

/** An invariant that did not hold. */
export class BrokenInvariant extends Error {
  override readonly name = "BrokenInvariant";
}

const STEPS_A_ROUND = 4;
const SETTLE_LIMIT_MS = 90_000;

/** Runs a campaign to its end. @throws {BrokenInvariant} with the seed, the round's history and the holders' logs. */
export async function campaign(options: CampaignOptions): Promise<CampaignResult> {
  const { seed, real } = options;
  const began = performance.now();
  await using box = await sandbox({
    standIn: real ? undefined : { "*": { bootMs: 150 } },
    env: real ? { FLEETBOX_ACCEL: "tcg" } : {},
  });
  box.leavesDebris();
  const run = new Campaign(box, options);
  const total = () => Object.values(run.result.kills).reduce((sum, count) => sum + count, 0);
  while (total() < options.kills) await run.round();
  return { ...run.result, seed, seconds: Math.round((performance.now() - began) / 1000) };
}

class Campaign {
  readonly result: CampaignResult;
  readonly #random: Random;
  readonly #names: string[];
  /** Disks that must be there: their members ran once, and no `rm` has named them since. */
  #disks: Disks = new Map();
  /** What each member's guest was told to keep, real machines only. */
  readonly #kept = new Map<string, string>();
  #history: string[] = [];

  constructor(private readonly box: Sandbox, private readonly options: CampaignOptions) {
    this.#random = new Random(options.seed);
    this.#names = options.real ? ["a", "b"] : ["a", "b", "c", "d"];
    this.result = {
      seed: options.seed,
      rounds: 0,
      commands: 0,
      kills: { command: 0, holder: 0, machine: 0, gateway: 0 },
      freezes: 0,
      failedCommands: 0,
      filesKept: 0,
      seconds: 0,
    };
  }

  async round(): Promise<void> {
    const { result, box } = this;
    result.rounds++;
    this.#history = [`round ${result.rounds}`];
    try {
      for (let step = 0; step < STEPS_A_ROUND; step++) {
        await this.#step(drawStep(this.#random, { names: this.#names, spanMs: this.options.real ? 6_000 : 900 }));
      }
      await this.#settled();
      this.#hold(await hypervisorsBelong(box));
      await this.#command("stop", "--all", "--force");
      await box.empty();
      this.#hold(box.debris().filter((path) => !isPassing(path)).map((path) => `left behind: ${path}`));
      this.#hold([...disksLast(this.#disks, disksOf(box)), ...await disksAreWhole(box)]);
      await this.#command("up", this.#names.join(","), "--egress", "off");
      await this.#guestsKept();
      if (this.#random.chance(0.5)) await this.#command("stop", "--all", "--force");
      this.#disks = disksOf(box);
    } catch (thrown) {
      throw thrown instanceof BrokenInvariant ? thrown : this.#broken([String(thrown)], thrown);
    }
    this.options.say?.(`round ${result.rounds}: ${JSON.stringify(result.kills)}`);
  }

  async #step({ commands, blows }: Step): Promise<void> {
    const { box, result } = this;
    for (const command of commands) {
      this.#history.push(`$ fleetbox ${command.join(" ")}`);
      // Whatever an `rm` was told to remove may be gone from here on, however far it came.
      if (command[0] === "rm") this.#disks.delete(command[1]), this.#kept.delete(command[1]);
    }
    result.commands += commands.length;
    const running = commands.map((command) => box.start(command));
    const struck = Promise.all(blows.map((blow) => this.#strike(blow, running[0])));
    const ends = await Promise.all(running.map((command) => command.done));
    await struck;
    for (const end of ends) {
      if (end.code !== 0) result.failedCommands++;
      this.#history.push(
        `  ${end.args.join(" ")}: ${end.signal ?? end.code} ${end.stderr.trim().replaceAll("\n", " | ").slice(0, 200)}`,
      );
      // 0 done, 1 failed, 3 not found, 4 timed out: never a misuse, never an error that nobody foresaw.
      if (![0, 1, 3, 4, 137].includes(end.code) || /\n\s+at .*\.ts:\d+|Uncaught/.test(end.stderr)) {
        throw this.#broken([told(end)]);
      }
    }
    this.#hold(noTwins(box));
    this.#hold(disksLast(this.#disks, disksOf(box)));
  }

  async #strike(blow: Blow, command: Running): Promise<void> {
    await new Promise((later) => setTimeout(later, blow.afterMs));
    const victim = this.#find(blow.victim, command);
    if (!victim) return;
    this.#history.push(`  ${blow.how} ${blow.victim} ${victim.name} (${victim.pid}) after ${blow.afterMs} ms`);
    if (blow.how === "kill") {
      this.result.kills[blow.victim]++;
      return await kill(victim);
    }
    this.result.freezes++;
    signal(victim, "SIGSTOP");
    await new Promise((later) => setTimeout(later, blow.forMs));
    signal(victim, "SIGCONT");
  }

  #find(victim: Victim, command: Running): Found | undefined {
    if (victim !== "command") {
      const found = this.box.processes(victim);
      return found.length === 0 ? undefined : this.#random.pick(found);
    }
    return this.box.processes().find(({ pid }) => pid === command.pid);
  }

  /** Waits until nobody boots or stops any more. */
  async #settled(): Promise<void> {
    let last = "";
    await until("every member has settled", async () => {
      const views = Object.values(await this.box.ls());
      last = views.map(({ name, state, stage }) => `${name}=${state}${stage ? `(${stage})` : ""}`).join(" ");
      return !views.some(({ state, stage }) => state === "starting" || state === "downloading" || stage === "stopping");
    }, SETTLE_LIMIT_MS).catch((thrown) => {
      throw this.#broken([`${thrown}: ${last}`]);
    });
  }

  /** A command that must succeed. */
  async #command(...args: string[]): Promise<void> {
    this.#history.push(`$ fleetbox ${args.join(" ")}`);
    this.result.commands++;
    const end = await this.box.run(...args);
    if (end.code !== 0) throw this.#broken([told(end)]);
  }

  /** Real guests: what was synced before is there, and something new is synced for the next time. */
  async #guestsKept(): Promise<void> {
    if (!this.options.real) return;
    for (const name of this.#names) {
      const expected = this.#kept.get(name);
      if (expected !== undefined) {
        const { stdout } = await this.box.ok("ssh", name, "--", "cat", "/home/fleetbox/kept");
        if (stdout.trim() !== expected) {
          throw this.#broken([`${name} kept ${JSON.stringify(stdout)}, expected ${expected}`]);
        }
        this.result.filesKept++;
      }
      const text = `round-${this.result.rounds}-${name}`;
      await this.box.ok("ssh", name, "--", `echo ${text} > /home/fleetbox/kept && sync`);
      this.#kept.set(name, text);
    }
  }

  #hold(problems: string[]): void {
    if (problems.length > 0) throw this.#broken(problems);
  }

  #broken(problems: string[], cause?: unknown): BrokenInvariant {
    const logs = [...new Set(this.#names)].map((name) => this.box.holderLog(name).split("\n").slice(-40).join("\n"));
    return new BrokenInvariant(
      [
        `seed ${this.options.seed}${this.options.real ? ", real QEMU" : ""}:`,
        ...problems,
        "what was done:",
        ...this.#history,
        ...logs.filter(Boolean).map((log) => `holder's log:\n${log}`),
      ].join("\n"),
      { cause },
    );
  }
}

/** What a killed process may leave and the next one sweeps: a socket or record of nobody, which stops no name. */
function isPassing(path: string): boolean {
  return /^run\/|\.tmp$|\/pid$|\.d$/.test(path);
}
