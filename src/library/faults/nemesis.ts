/** Faults by chance on a group in a test, until they are over or stopped. */

import { addCounts, runPlan, type RunResult } from "../../control/fault_run.ts";
import type { FaultPlan, LateStep } from "../../core/faults/plan.ts";
import type { Store } from "../../store.ts";
import type * as types from "../types.ts";

export class RunningNemesis implements types.Nemesis {
  readonly seed: number;
  readonly done: Promise<void>;
  readonly #stop = new AbortController();
  readonly #counts: Record<string, number> = {};
  readonly #result: Promise<RunResult>;

  /** @param via a machine of the group that runs @param onOver called when it is over @param late steps that hit primaries: see {@link runPlan} */
  constructor(
    store: Store,
    readonly plan: FaultPlan,
    { via, onOver, late }: {
      via: () => Promise<string>;
      onOver: () => void;
      late?: { steps: LateStep[]; primaries: () => Promise<string[]> };
    },
  ) {
    this.seed = plan.seed;
    const planned = new Set(plan.steps);
    this.#result = runPlan(store, plan, {
      via,
      signal: this.#stop.signal,
      late,
      onBegin: (_fault, step) => {
        if (!planned.has(step)) plan.steps.push(step);
      },
      onEnd: ({ counts }) => addCounts(this.#counts, counts),
    }).finally(onOver);
    this.done = this.#result.then(() => {});
    this.done.catch(() => {}); // callers that await it get the error
  }

  async stop(): Promise<Record<string, number>> {
    this.#stop.abort();
    await this.done;
    return await this.counts();
  }

  counts(): Promise<Record<string, number>> {
    return Promise.resolve({ ...this.#counts });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.done.catch(() => {}); // the group has ended, and its faults with it
  }
}
