/** Where a trace's group begins again, and when its faults come then. Pure. */

import type { FaultStep } from "../../core/faults/plan.ts";
import { renamedFault } from "../../core/faults.ts";
import type { CheckpointManifest } from "../../store/snapshots.ts";
import type { NewMember } from "./members.ts";
import type { Recorded, SavedMoment } from "./recorded.ts";

/** The group is forked from a checkpoint, or boots. */
export interface Start {
  checkpoint?: CheckpointManifest;
  /** Why it is that one, or none. */
  why: string;
  /** The moment of the trace to which that brings the group, in milliseconds since 1970. */
  baseMs: number;
}

/** A checkpoint's time and that of its event differ by less: an older one of the same name is another one. */
const SAME_MS = 2_000;
/** How long a fault lasts at least that began at the end of its trace. */
const LEAST_MS = 1_000;

/**
 * The newest checkpoint before the trace's first fault that is still in the store; else its group boots.
 * @param stored the store's checkpoint of a name
 */
export function chooseStart(
  { saved, steps, startedMs, readyMs }: Pick<Recorded, "saved" | "steps" | "startedMs" | "readyMs">,
  members: readonly Pick<NewMember, "hostName">[],
  stored: (name: string) => CheckpointManifest | undefined,
): Start {
  const firstFaultMs = steps.length === 0 ? Infinity : startedMs + steps[0].at_ms;
  const before = saved.filter(({ madeMs, atMs }) => madeMs === undefined || atMs <= firstFaultMs);
  for (const moment of before.toReversed()) {
    const checkpoint = stored(moment.checkpoint);
    if (!checkpoint || !isOf(checkpoint, members) || !isFrom(checkpoint, moment)) continue;
    return { checkpoint, why: whyOf(moment, startedMs), baseMs: moment.atMs };
  }
  const names = [...new Set(before.map(({ checkpoint }) => checkpoint))];
  const why = names.length === 0
    ? saved.length === 0 ? "the trace has no checkpoint" : "the trace has no checkpoint before its first fault"
    : `the trace's checkpoint ${names.at(-1)} is not in this store, is another one, or cannot go on here`;
  return { why, baseMs: readyMs };
}

function isOf({ members }: CheckpointManifest, wanted: readonly Pick<NewMember, "hostName">[]): boolean {
  const has = new Set(Object.values(members).map(({ host_name }) => host_name));
  return has.size === wanted.length && wanted.every(({ hostName }) => has.has(hostName));
}

function isFrom({ made_at }: CheckpointManifest, { madeMs, atMs }: SavedMoment): boolean {
  const madeAtMs = Date.parse(made_at);
  return madeMs === undefined ? madeAtMs <= atMs : Math.abs(madeAtMs - madeMs) <= SAME_MS;
}

function whyOf({ madeMs, atMs }: SavedMoment, startedMs: number): string {
  if (madeMs === undefined) return "from which the trace's group had come";
  return `taken ${((atMs - startedMs) / 1000).toFixed(1)} s after the trace began`;
}

export interface Played {
  /** Their times since the group is ready. */
  steps: FaultStep[];
  /** How many lasted beyond the trace, and end where it ended. */
  unhealed: number;
}

/**
 * The trace's faults for the group that is made again, with the distances that they had. The first one begins at once when it began
 * before `baseMs`.
 */
export function playedSteps(
  { steps, startedMs, endedMs }: Pick<Recorded, "steps" | "startedMs" | "endedMs">,
  baseMs: number,
  members: readonly Pick<NewMember, "was" | "name">[],
): Played {
  const names = new Map(members.map(({ was, name }) => [was, name]));
  const offsetMs = Math.min(baseMs - startedMs, steps.at(0)?.at_ms ?? Infinity);
  let unhealed = 0;
  const played = steps.map((step): FaultStep => {
    const leftMs = Math.max(LEAST_MS, endedMs - startedMs - step.at_ms);
    if (step.for_ms > leftMs) unhealed++;
    return {
      ...step,
      at_ms: step.at_ms - offsetMs,
      for_ms: Math.min(step.for_ms, leftMs),
      fault: renamedFault(step.fault, (name) => names.get(name) ?? name),
    };
  });
  return { steps: played, unhealed };
}
