/**
 * Plays a plan of faults on a group: begins each at its time, and leaves none behind.
 *
 * A fault ends by itself at its time, also when whatever plays the plan is killed. At the plan's end, and when it is interrupted,
 * those that are left are healed. A fault that cannot begin (its member is down, say) is told, and the plan goes on.
 */

import { pause } from "../core/deadline.ts";
import { codeOf } from "../core/errors.ts";
import type { FaultPlan, FaultStep, LateStep } from "../core/faults/plan.ts";
import { MAX_MS } from "../core/faults/values.ts";
import { randomStream } from "../core/random.ts";
import type { Store } from "../store.ts";
import type { FaultReport } from "../wire.ts";
import { beginFault, healFaults } from "./faults.ts";

export interface RunRequest {
  /** A member of the group that runs now. */
  via: () => Promise<string>;
  signal: AbortSignal;
  /** Called when a fault has begun. */
  onBegin?: (fault: FaultReport, step: FaultStep) => void;
  /** Called with a fault that ended, as it was when it was last looked at: what it did. */
  onEnd?: (fault: FaultReport) => void;
  /** Called when a fault could not begin. */
  onFailure?: (step: FaultStep, why: unknown) => void;
  /** Steps beside the plan's, and who leads when one begins. @throws what ends the plan */
  late?: { steps: readonly LateStep[]; primaries: () => Promise<readonly string[]> };
}

/** What a plan has done. */
export interface RunResult {
  begun: number;
  failed: number;
  /** What all faults together did, by what. */
  counts: Record<string, number>;
}

/** Plays a plan; returns when it is over, quiet time included, or interrupted: then nothing of it is left. */
export async function runPlan(store: Store, plan: FaultPlan, request: RunRequest): Promise<RunResult> {
  const { via, signal, onBegin, onEnd, onFailure, late } = request;
  const result: RunResult = { begun: 0, failed: 0, counts: {} };
  const seeds = randomStream(plan.seed, "seeds of the steps");
  const began = performance.now();
  const failed = new AbortController();
  const over = AbortSignal.any([signal, failed.signal]);
  const open = new Set<string>();
  const ends: Promise<void>[] = [];
  const take = (fault: FaultReport) => {
    open.delete(fault.id);
    addCounts(result.counts, fault.counts);
    onEnd?.(fault);
  };
  /** Ends one at its time, before it ends by itself: so its counts are known. */
  const end = async (id: string) => {
    if (!open.has(id)) return;
    try {
      (await healFaults(store, { ids: [id], via: await via() })).forEach(take);
    } catch (thrown) {
      if (codeOf(thrown) !== "not-found") throw thrown;
      open.delete(id); // it has ended, or its group has
    }
  };
  const seedOfNext = () => Math.floor(seeds.next() * 2 ** 32);
  const begin = async (step: FaultStep, seed: number) => {
    try {
      // Longer than it is to last: it ends by itself only when nobody is left to end it.
      const forMs = Math.min(step.for_ms + LEFT_ALONE_MS, MAX_MS);
      const fault = await beginFault(store, { spec: step.fault, forMs, seed }, await via());
      open.add(fault.id);
      result.begun++;
      onBegin?.(fault, step);
      const ended = pause(step.for_ms, over).then(() => end(fault.id));
      ended.catch(() => {}); // it is thrown at the end
      ends.push(ended);
    } catch (thrown) {
      result.failed++;
      onFailure?.(step, thrown);
    }
  };
  /** What is to be done when. */
  const moments = [
    ...plan.steps.map((step) => {
      const seed = seedOfNext();
      return { at_ms: step.at_ms, act: () => begin(step, step.seed ?? seed) };
    }),
    ...late?.steps.map(({ at_ms, for_ms, make }) => ({
      at_ms,
      async act() {
        const primaries = await late.primaries();
        for (const fault of make(primaries)) if (!signal.aborted) await begin({ at_ms, for_ms, fault }, seedOfNext());
      },
    })) ?? [],
  ].sort((one, other) => one.at_ms - other.at_ms);
  try {
    for (const { at_ms, act } of moments) {
      await pause(Math.max(0, began + at_ms - performance.now()), signal);
      if (signal.aborted) break;
      await act();
    }
    await Promise.all(ends);
    if (!signal.aborted) await pause(plan.quiet_ms ?? 0, signal);
  } catch (thrown) {
    failed.abort();
    throw thrown;
  } finally {
    await Promise.allSettled(ends);
    await Promise.allSettled([...open].map(end)); // once more, those that could not be ended
  }
  return result;
}

/** Adds what a fault has done to what others have. */
export function addCounts(sum: Record<string, number>, counts: Readonly<Record<string, number>>): void {
  for (const [what, count] of Object.entries(counts)) sum[what] = (sum[what] ?? 0) + count;
}

/** How much longer than planned a fault lasts when nobody is left to end it. */
const LEFT_ALONE_MS = 2_000;
