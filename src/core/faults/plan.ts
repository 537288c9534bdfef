/**
 * Plans of faults: what begins when, and for how long. One that was written by hand, or one that a seed makes.
 *
 * A plan is JSON, of version 1: `{"version":1,"seed":7,"steps":[{"at_ms":0,"for_ms":5000,"fault":{"kind":"partition",…}}]}`. Each step
 * ends by itself, so that whatever plays it leaves nothing behind, even when it is killed. `docs/fault-plan.schema.json` is its
 * schema.
 */

import { FleetboxError, messageOf } from "../errors.ts";
import { checkFault, checkFaultTimes, type FaultSpec } from "../faults.ts";
import { randomStream } from "../random.ts";
import { chosen, type FaultPackage, type FaultTargets, FIXED_TARGETS, MAKERS, PACKAGES, TARGETS } from "./packages.ts";
import { bad, MAX_MS, only } from "./values.ts";

export const PLAN_VERSION = 1;

/** One fault of a plan. */
export interface FaultStep {
  /** When it begins, in milliseconds from the plan's beginning. */
  at_ms: number;
  /** How long it lasts, in milliseconds. */
  for_ms: number;
  fault: FaultSpec;
  /** From which its random numbers come. @default one that the plan's seed makes */
  seed?: number;
}

export interface FaultPlan {
  version: typeof PLAN_VERSION;
  /** Of which the seeds of faults are made that have none of their own: step by step. */
  seed: number;
  steps: FaultStep[];
  /** How long nothing happens after the last fault has ended, in milliseconds. @default 0 */
  quiet_ms?: number;
}

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

/** A step whose members are asked for when it begins. */
export interface LateStep extends Pick<FaultStep, "at_ms" | "for_ms"> {
  /** Its faults, for those that lead. */
  make(primaries: readonly string[]): FaultSpec[];
}

/**
 * A plan that the seed decides: the same wish gives the same plan. Pure.
 * @throws {FleetboxError} `misuse`; also for `primaries`, who are not known before
 */
export function randomPlan(wish: RandomPlanWish): FaultPlan {
  checkWords("targets", wish.targets ?? FIXED_TARGETS, FIXED_TARGETS);
  return lateRandomPlan(wish).plan;
}

/** The same, apart from it the steps that hit primaries. @throws {FleetboxError} `misuse` */
export function lateRandomPlan(wish: RandomPlanWish): { plan: FaultPlan; late: LateStep[] } {
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
  const all = [...members].sort();
  const steps: FaultStep[] = [];
  const late: LateStep[] = [];
  for (let index = 0; index * intervalMs < durationMs && index < MAX_STEPS && steps.length < MAX_STEPS; index++) {
    const random = randomStream(seed, "plan", index);
    const at = index * intervalMs;
    const forMs = Math.round(intervalMs * (0.3 + 0.6 * random.next()));
    const when = { at_ms: Math.round(at), for_ms: Math.max(1, Math.min(forMs, durationMs - at)) };
    const make = MAKERS[faults[random.below(faults.length)]];
    const target = targets[random.below(targets.length)];
    if (target === "primaries") {
      late.push({ ...when, make: (hit) => make({ random, members: all, hit, isMeant: true }) });
    } else {
      const draw = { random, members: all, hit: chosen(random, all, target), isMeant: false };
      for (const fault of make(draw)) steps.push({ ...when, fault });
    }
  }
  return { plan: { version: PLAN_VERSION, seed, steps, quiet_ms: quietMs }, late };
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
  only(step, ["at_ms", "for_ms", "fault", "seed"], "a plan");
  time("at_ms", step.at_ms, 0);
  time("for_ms", step.for_ms, 1);
  checkFault(step.fault);
  checkFaultTimes({ seed: step.seed });
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
