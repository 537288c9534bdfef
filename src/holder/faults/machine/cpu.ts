/**
 * A machine gets part of the processor's time only: the smallest share that any fault wants.
 *
 * It stands still most of the time, so a killed holder may leave it that way. Whatever continues it then knows of it beforehand: the
 * group's record (the next holder) and the guardian (at once).
 */

import { FleetboxError } from "../../../core/errors.ts";
import type { CpuFault } from "../../../core/faults/cpu.ts";
import type { MachineRun } from "../../member/machine_run.ts";
import type { Member } from "../../member/member.ts";
import { type Phase, runOf } from "../../member/phases.ts";
import type { FaultMaker, MachineFaultEntry } from "./maker.ts";

/** A fault's begin: when, and how long its machine had stood still by then. */
interface Begin {
  sinceMs: number;
  stoppedMs: number;
}

export class CpuMaker implements FaultMaker<CpuFault> {
  #begun = new Map<string, Begin>();

  constructor(private readonly member: Pick<Member, "name" | "state" | "phases" | "context">) {}

  async apply(faults: readonly MachineFaultEntry<CpuFault>[]): Promise<void> {
    const { phases, context } = this.member;
    if (faults.length === 0) {
      const run = runOf(phases.now);
      run?.machine.throttle(undefined);
      if (run) run.isSqueezed = false;
      this.#begun.clear();
      return void context.onSqueeze();
    }
    const run = this.#running(phases.now);
    const wasSqueezed = run.isSqueezed;
    run.isSqueezed = true;
    try {
      await context.onSqueeze();
      if (this.#running(phases.now) !== run) throw this.#isNot("another machine");
    } catch (thrown) {
      run.isSqueezed = wasSqueezed;
      throw thrown;
    }
    run.machine.throttle(Math.min(...faults.map(({ spec }) => spec.share)));
    const now = { sinceMs: performance.now(), stoppedMs: run.machine.stoppedMs };
    this.#begun = new Map(faults.map(({ id }) => [id, this.#begun.get(id) ?? now]));
  }

  counts(id: string): Promise<Record<string, number>> {
    const begin = this.#begun.get(id);
    const run = runOf(this.member.phases.now);
    if (!begin || !run) return Promise.resolve({});
    return Promise.resolve({
      squeezed_ms: Math.round(performance.now() - begin.sinceMs),
      stopped_ms: Math.round(run.machine.stoppedMs - begin.stoppedMs),
    });
  }

  /** @throws {FleetboxError} `conflict`: it does not run */
  #running(now: Phase): MachineRun {
    const phase = now.kind === "paused" ? now.from : now;
    if (phase.kind === "running") return phase.run;
    throw this.#isNot(this.member.state);
  }

  #isNot(found: string): FleetboxError {
    const { name } = this.member;
    return new FleetboxError("conflict", `Cannot squeeze the CPUs of "${name}": it is ${found}, expected running`, {
      hint: `Start it first: fleetbox up ${name}`,
    });
  }
}
