/**
 * Plans of faults: what begins when, and for how long. One that was written by hand, or one that a seed makes.
 *
 * A plan is JSON, of version 1: `{"version":1,"seed":7,"steps":[{"at_ms":0,"for_ms":5000,"fault":{"kind":"partition",…}}]}`. Each step
 * ends by itself, so that whatever plays it leaves nothing behind, even when it is killed. `docs/fault-plan.schema.json` is its
 * schema.
 */

import { FleetboxError, messageOf } from "../errors.ts";
import { checkFault, checkFaultTimes, type FaultSpec, type PartitionShape } from "../faults.ts";
import { bad, MAX_MS, only } from "./values.ts";
import { type Random, randomStream, shuffled } from "../random.ts";

export const PLAN_VERSION = 1;

/** One fault of a plan. */
export interface FaultStep {
  /** When it begins, in milliseconds from the plan's beginning. */
  at_ms: number;
  /** How long it lasts, in milliseconds. */
  for_ms: number;
  fault: FaultSpec;
}

export interface FaultPlan {
  version: typeof PLAN_VERSION;
  /** Of which the faults' own seeds are made: step by step. */
  seed: number;
  steps: FaultStep[];
  /** How long nothing happens after the last fault has ended, in milliseconds. @default 0 */
  quiet_ms?: number;
}

/**
 * What a random plan may do: `packet` makes links late, lossy or out of order.
 *
 * @example
 * ```ts
 * import { type FaultPackage, startCluster } from "fleetbox";
 *
 * const faults: FaultPackage[] = ["partition", "packet", "pause"];
 * await using cluster = await startCluster(["a", "b", "c"], { egress: "off" });
 * await using nemesis = cluster.nemesis({ faults, durationMs: 5_000 });
 * await nemesis.done;
 * ```
 */
export type FaultPackage = "partition" | "one-way" | "packet" | "hold" | "flap" | "pause";

/** All of them. */
export const PACKAGES: readonly FaultPackage[] = ["partition", "one-way", "packet", "hold", "flap", "pause"];

/**
 * How many members a packet or a pause fault of a random plan hits; `minority-third`: less than a third.
 *
 * @example
 * ```ts
 * import { type FaultTargets, startCluster } from "fleetbox";
 *
 * const targets: FaultTargets[] = ["one", "minority"];
 * await using cluster = await startCluster(["a", "b", "c"], { egress: "off" });
 * await using nemesis = cluster.nemesis({ faults: ["pause"], targets, durationMs: 5_000 });
 * await nemesis.done;
 * ```
 */
export type FaultTargets = "one" | "minority" | "majority" | "minority-third" | "all";

/** All of them. */
export const TARGETS: readonly FaultTargets[] = ["one", "minority", "majority", "minority-third", "all"];

/** How a random plan is made. */
export interface RandomPlanWish {
  /** The members of the group. */
  members: readonly string[];
  /** What may happen. @default partition, packet, pause */
  faults?: readonly FaultPackage[];
  /** Which members pauses and packets hit. @default one, minority and majority, by chance */
  targets?: readonly FaultTargets[];
  /** A fault begins after each so many milliseconds, and lasts at most as long. @default 10000 */
  intervalMs?: number;
  /** How long faults begin, in milliseconds. @default 60000 */
  durationMs?: number;
  /** How long nothing happens at the end, in milliseconds. @default 10000 */
  quietMs?: number;
  seed: number;
}

const MAX_STEPS = 10_000;

/** A plan that the seed decides: the same wish gives the same plan. Pure. @throws {FleetboxError} `misuse` */
export function randomPlan(wish: RandomPlanWish): FaultPlan {
  const { members, seed, intervalMs = 10_000, durationMs = 60_000, quietMs = 10_000 } = wish;
  const { faults = ["partition", "packet", "pause"], targets = ["one", "minority", "majority"] } = wish;
  checkWords("faults", faults, PACKAGES);
  checkWords("targets", targets, TARGETS);
  const times = [["interval", intervalMs, 100], ["duration", durationMs, 1], ["quiet", quietMs, 0]] as const;
  for (const [what, value, least] of times) {
    time(what, value, least);
  }
  if (members.length < 2) bad("members", members, "at least two, between which something can go wrong");
  checkFaultTimes({ seed });
  const random = randomStream(seed, "plan");
  const steps: FaultStep[] = [];
  for (let at = 0; at < durationMs && steps.length < MAX_STEPS; at += intervalMs) {
    const forMs = Math.round(intervalMs * (0.3 + 0.6 * random.next()));
    const chosen = faults[random.below(faults.length)];
    for (const fault of MAKERS[chosen](random, [...members].sort(), targets)) {
      steps.push({ at_ms: Math.round(at), for_ms: Math.max(1, Math.min(forMs, durationMs - at)), fault });
    }
  }
  return { version: PLAN_VERSION, seed, steps, quiet_ms: quietMs };
}

type Maker = (random: Random, members: string[], targets: readonly FaultTargets[]) => FaultSpec[];

const SHAPES: PartitionShape[] = ["one", "majority", "majorities-ring", "bridge", "isolate"];

const MAKERS: Record<FaultPackage, Maker> = {
  partition: (random, of) => {
    const shapes = of.length < 3 ? SHAPES.slice(0, 1) : SHAPES;
    const shape = shapes[random.below(shapes.length)];
    if (shape !== "one" && shape !== "majority") return [{ kind: "partition", shape, of }];
    return [{ kind: "partition", sets: halves(random, of, shape === "one" ? 1 : minorityOf(of.length)) }];
  },
  "one-way": (random, of) => [{ kind: "partition", sets: halves(random, of, 1), oneWay: true }],
  packet: (random, members, targets) => {
    const from = chosen(random, members, targets);
    const shapes = [
      { delayMs: 10 + random.below(300), jitterMs: 1 + random.below(50), distribution: "normal" as const },
      { loss: round(0.02 + 0.3 * random.next()) },
      { delayMs: 5 + random.below(50), reorder: round(0.05 + 0.3 * random.next()), duplicate: 0.05 },
      { lossGemodel: { p: 0.05, r: 0.3, h: 0.3, k: 1 } },
    ];
    return [{ kind: "shape", from, shape: shapes[random.below(shapes.length)] }];
  },
  hold: (random, of) => [{ kind: "hold", sets: halves(random, of, 1) }],
  flap: (random, of) => [{
    kind: "flap",
    sets: halves(random, of, 1),
    downMs: 200 + random.below(2_000),
    upMs: 200 + random.below(2_000),
  }],
  pause: (random, members, targets) =>
    chosen(random, members, targets).map((member): FaultSpec => ({ kind: "pause", member })),
};

/** Some members, as one of these words means. */
function chosen(random: Random, members: string[], targets: readonly FaultTargets[]): string[] {
  const count = {
    "one": 1,
    "minority": minorityOf(members.length),
    "majority": Math.floor(members.length / 2) + 1,
    "minority-third": Math.max(1, Math.floor((members.length - 1) / 3)),
    "all": members.length,
  }[targets[random.below(targets.length)]];
  return shuffled(random, members).slice(0, count).sort();
}

function minorityOf(count: number): number {
  return Math.max(1, Math.floor((count - 1) / 2));
}

function halves(random: Random, members: string[], first: number): string[][] {
  const order = shuffled(random, members);
  return [order.slice(0, first).sort(), order.slice(first).sort()];
}

function round(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}

/** Parses a plan, from any text. @throws {FleetboxError} `misuse`: why it is no plan */
export function parsePlan(text: string, from: string): FaultPlan {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new FleetboxError("misuse", `${from} is not JSON: ${messageOf(cause)}`, { cause });
  }
  try {
    return checkPlan(value);
  } catch (cause) {
    throw new FleetboxError("misuse", `${from} is no plan of faults: ${messageOf(cause)}`, {
      cause,
      hint: "One to begin with: fleetbox fault random --print > plan.json",
    });
  }
}

/** @throws {FleetboxError} `misuse` */
export function checkPlan(value: unknown): FaultPlan {
  const plan = (value ?? {}) as Record<string, unknown>;
  if (plan.version !== PLAN_VERSION) bad("version", plan.version, `${PLAN_VERSION}, which this fleetbox knows`);
  only(plan, ["version", "seed", "steps", "quiet_ms", "$schema"], "a plan");
  checkFaultTimes({ seed: plan.seed ?? null });
  if (!Array.isArray(plan.steps) || plan.steps.length === 0) {
    bad("steps", plan.steps, "a list of steps, at least one");
  }
  if (plan.steps.length > MAX_STEPS) bad("steps", plan.steps.length, `at most ${MAX_STEPS}`);
  plan.steps.forEach((step, index) => {
    try {
      checkStep(step);
    } catch (cause) {
      throw new FleetboxError("misuse", `step ${index + 1}: ${messageOf(cause)}`, { cause });
    }
  });
  if (plan.quiet_ms !== undefined) time("quiet_ms", plan.quiet_ms, 0);
  return value as FaultPlan;
}

function checkStep(value: unknown): void {
  const step = (value ?? {}) as Record<string, unknown>;
  only(step, ["at_ms", "for_ms", "fault"], "a plan");
  time("at_ms", step.at_ms, 0);
  time("for_ms", step.for_ms, 1);
  checkFault(step.fault);
}

function time(key: string, value: unknown, least: number): void {
  if (typeof value !== "number" || !(value >= least && value <= MAX_MS)) {
    bad(key, value, `milliseconds, ${least} to ${MAX_MS}`);
  }
}

function checkWords(what: string, words: readonly string[], known: readonly string[]): void {
  const unknown = words.find((word) => !known.includes(word));
  if (unknown !== undefined || words.length === 0) bad(what, unknown ?? words, `some of ${known.join(", ")}`);
}
