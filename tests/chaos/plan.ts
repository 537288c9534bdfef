/**
 * What a round of a campaign does, before it does anything: how it begins, its commands and its blows, drawn from the
 * campaign's seed and the round's number. Pure, so that both together always give the same round; their timing
 * depends on the machine.
 */

import { drawFault } from "./faults.ts";
import { Random } from "./random.ts";

/**
 * What a blow hits. `command`: the command of this step that was started first. `holder`: its guardian adopts the group.
 * `pair`: a holder with its guardian, so that the group is not adopted. `all`: every process of the store at once.
 */
export type Victim = "command" | "holder" | "guardian" | "pair" | "machine" | "gateway" | "all";

export interface Blow {
  victim: Victim;
  /** Which of several processes it hits: a number from 0 up to 1. */
  which: number;
  /** `freeze`: SIGSTOP for `forMs`, then SIGCONT. */
  how: "kill" | "freeze";
  /** After the commands were started; or, `amid` one of them, after it began to save or to restore something. */
  afterMs: number;
  amid: boolean;
  forMs: number;
}

export interface Step {
  /** Started together. Each is an argument list. */
  commands: string[][];
  blows: Blow[];
}

export interface Round {
  /** What is there before the first step: all members run, all are stopped, or none exists. */
  begin: "running" | "stopped" | "absent";
  /** How long the fake QEMU's guests boot, in milliseconds. */
  fakeBootMs: number;
  steps: Step[];
  /** Whether guests are asked to shut down at the end, or their machines ended. */
  endByForce: boolean;
  /** What must succeed at the end, whatever became of it before. */
  endWith: "fork" | "restore" | "suspend" | "prune";
}

/** The checkpoints that rounds make, and what the names of their forks begin with. */
export const CHECKPOINTS = ["s", "t"] as const;
export const FORKS = ["f", "g"] as const;

export interface PlanOptions {
  names: readonly string[];
  /** About as long as a boot takes: the longest time after which a blow falls. */
  bootMs: number;
  /** @default 5 */
  steps?: number;
}

const STEPS_A_ROUND = 5;
/** The longest duration of commands that boot nothing: blows during them fall sooner. */
const QUICK_MS = 400;
/** The same for blows amid a save or a restore. */
const AMID_MS = 250;

export function drawRound(seed: number, number: number, options: PlanOptions): Round {
  const random = new Random(Math.imul(seed, 0x9e3779b1) ^ Math.imul(number, 0x85ebca6b));
  const begin = random.pick(["running", "running", "stopped", "absent"] as const);
  const { steps: length = STEPS_A_ROUND } = options;
  const steps = Array.from({ length }, () => drawStep(random, options));
  const endWith = random.pick(["fork", "restore", "suspend", "prune"] as const);
  return { begin, steps, fakeBootMs: random.pick([20, 150, 500]), endByForce: random.chance(0.7), endWith };
}

function drawStep(random: Random, { names, bootMs }: PlanOptions): Step {
  const commands = [drawCommand(random, names)];
  if (random.chance(0.35)) commands.push(random.chance(0.3) ? commands[0] : drawCommand(random, names));
  const boots = commands.some(([verb]) => verb === "up" || verb === "join");
  const saves = commands.some(([verb]) => SAVING.includes(verb));
  const blows: Blow[] = [];
  const count = random.pick([1, 1, 2, 2, 3]);
  while (blows.length < count) {
    const amid = saves && random.chance(0.7);
    blows.push({ ...drawBlow(random, amid ? AMID_MS : boots ? bootMs : QUICK_MS), amid });
  }
  return { commands, blows };
}

/** Commands that save or restore machines. */
const SAVING = ["checkpoint", "fork", "restore", "suspend"];

/** Each as often as it is in here. */
const KINDS = [
  ...["up", "up", "up", "up", "stop", "stop", "join", "rm", "ls", "repair", "status"] as const,
  ...["fault", "fault", "fault", "fault", "fault", "heal", "resume"] as const,
  ...["checkpoint", "checkpoint", "fork", "fork", "restore", "suspend", "suspend", "forget", "end"] as const,
];

function drawCommand(random: Random, names: readonly string[]): string[] {
  switch (random.pick(KINDS)) {
    case "up":
      return ["up", random.some(names).join(","), "--egress", "off", ...(random.chance(0.1) ? ["--cold"] : [])];
    case "stop":
      return ["stop", ...random.some(names), ...(random.chance(0.3) ? ["--force"] : [])];
    case "join": {
      const name = random.pick(names);
      return ["join", name, "--via", random.pick(names.filter((other) => other !== name))];
    }
    case "rm":
      return ["rm", random.pick(names), ...(random.chance(0.5) ? ["-f"] : [])];
    case "ls":
      return ["ls", "--json"];
    case "repair":
      return ["ls", "--repair", "--json"];
    case "status":
      return ["status", random.pick(names), "--json"];
    case "fault":
      return drawFault(random, names);
    case "heal":
      return ["heal"];
    case "resume":
      return ["resume", ...random.some(names)];
    case "checkpoint":
      return ["checkpoint", ...random.some(names), "--as", random.pick(CHECKPOINTS)];
    case "fork":
      return ["fork", random.pick(CHECKPOINTS), "--as", random.pick(FORKS)];
    case "restore":
      return ["restore", random.pick(CHECKPOINTS), "--yes"];
    case "suspend":
      return ["suspend", ...random.some(names)];
    case "forget":
      return ["checkpoint", "rm", random.pick(CHECKPOINTS)];
    case "end": {
      const name = `${random.pick(FORKS)}-${random.pick(names)}`;
      return random.chance(0.5) ? ["rm", name, "-f"] : ["stop", name, "--force"];
    }
  }
}

const VICTIMS = [
  ...["command", "command", "machine", "machine", "gateway"] as const,
  ...["holder", "holder", "pair", "pair", "guardian"] as const,
];

function drawBlow(random: Random, spanMs: number): Omit<Blow, "amid"> {
  return {
    victim: random.chance(0.05) ? "all" : random.pick(VICTIMS),
    which: random.next(),
    how: random.chance(0.85) ? "kill" : "freeze",
    afterMs: random.whole(0, spanMs),
    forMs: random.whole(100, 1_500),
  };
}
