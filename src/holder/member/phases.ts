/**
 * The phases of a member, the one table of transitions between them, and their states in the protocol.
 *
 * A phase owns its resources: from `booting` on these are the machine with its link, its console and its pidfile
 * ({@link MachineRun}), which pass from phase to phase; the phase that ends the machine releases them. Every change of
 * a member goes through {@link Phases}; a transition that is not in the table is a defect and throws.
 */

import type { WireError } from "../../core/errors.ts";
import type { ProcessIdentity } from "../../system/process.ts";
import type { MemberReport, Stage, State } from "../../wire.ts";
import type { MachineRun } from "./machine_run.ts";
import type { Boot } from "./boot.ts";
import type { Stop } from "./stop.ts";

/** Why the virtual CPUs are paused. */
export type PauseReason = "disk-full" | "disk-error" | "user" | "checkpoint";

interface Pause {
  reason: PauseReason;
  /** In words, with what to do. */
  failure: WireError;
}

/** Nothing has happened yet. */
interface Absent {
  kind: "absent";
}
/** Its image, its config, its disk and its seed are made. */
interface Preparing {
  kind: "preparing";
  boot: Boot;
  stage: Stage;
  /** The progress of the image's download, while there is one. */
  download?: MemberReport["download"];
}
/** Its machine runs, and its guest does not answer yet. */
export interface Booting {
  kind: "booting";
  boot: Boot;
  stage: Stage;
  run: MachineRun;
}
export interface Running {
  kind: "running";
  run: MachineRun;
  /** The problem of a running guest. */
  problem?: WireError;
}
/** Its virtual CPUs are paused. */
interface Paused {
  kind: "paused";
  pause: Pause;
  run: MachineRun;
  /** Its phase after the machine resumes. */
  from: Booting | Running;
}
/** It is being stopped. */
interface Stopping {
  kind: "stopping";
  stop: Stop;
  /** Its phase before. */
  from: Exclude<Phase, Stopping>;
}
interface Stopped {
  kind: "stopped";
}
/** It did not come up, or its machine ended by itself. */
interface Failed {
  kind: "failed";
  failure: WireError;
  /** The running machine of an earlier holder: it was adopted, and then the holder failed to use it. */
  run?: MachineRun;
}
/** The machine of an earlier holder, which has not answered this one yet, or does not answer (`failure`). */
interface Orphaned {
  kind: "orphaned";
  process: ProcessIdentity;
  /** The running adoption. */
  boot?: Boot;
  failure?: WireError;
}

export type Phase = Absent | Preparing | Booting | Running | Paused | Stopping | Stopped | Failed | Orphaned;
export type PhaseKind = Phase["kind"];

/** The allowed next phases of each phase. Changes within a phase (a stage, a download) are always allowed. */
export const NEXT: { readonly [From in PhaseKind]: readonly PhaseKind[] } = {
  absent: ["preparing", "orphaned", "stopping"],
  preparing: ["booting", "failed", "stopping"],
  booting: ["preparing", "running", "paused", "failed", "stopping"], // `preparing`: its template did not work
  running: ["paused", "failed", "stopped", "stopping"], // `stopped`: the guest powered itself off
  paused: ["booting", "running", "failed", "stopped", "stopping"],
  stopping: ["stopped", "failed", "orphaned"], // not `stopped`: the machine could not be ended
  stopped: ["preparing", "stopping"],
  failed: ["preparing", "booting", "orphaned", "stopped", "stopping"], // `booting`: its adoption is tried again
  orphaned: ["preparing", "booting", "failed", "stopping"],
};

/** The machine of a phase, with its resources. */
export function runOf(phase: Phase): MachineRun | undefined {
  if (phase.kind === "stopping") return runOf(phase.from);
  return "run" in phase ? phase.run : undefined;
}

/** What failed in a member that runs nevertheless. */
export function problemOf(phase: Phase): WireError | undefined {
  if (phase.kind === "paused") return problemOf(phase.from);
  return phase.kind === "running" ? phase.problem : undefined;
}

/** The running boot or adoption. */
export function bootOf(phase: Phase): Boot | undefined {
  if (phase.kind === "paused") return bootOf(phase.from);
  return "boot" in phase ? phase.boot : undefined;
}

/** Whether it is the machine of an earlier holder, which this one is about to adopt. */
export function isBeingAdopted(phase: Phase): boolean {
  return phase.kind === "orphaned" ? !phase.failure : bootOf(phase)?.isAdoption ?? false;
}

/** A phase in the protocol's words. */
interface WireState {
  state: State;
  stage?: Stage;
  failure?: WireError;
}

export function wireState(phase: Phase): WireState {
  switch (phase.kind) {
    case "absent":
    case "stopped":
      return { state: "stopped" };
    case "preparing":
      return { state: phase.download ? "downloading" : "starting", stage: phase.stage };
    case "booting":
      return { state: "starting", stage: phase.stage };
    case "running":
      return { state: "running", stage: "ready", failure: phase.problem };
    case "paused":
      return { state: wireState(phase.from).state, stage: "paused", failure: phase.pause.failure };
    case "stopping": {
      const before = wireState(phase.from);
      return runOf(phase) && isActive(before.state) ? { ...before, stage: "stopping" } : before;
    }
    case "failed":
      return { state: "error", failure: phase.failure };
    case "orphaned":
      return phase.failure ? { state: "error", failure: phase.failure } : { state: "starting", stage: "adoption" };
  }
}

/** Whether the protocol calls a member of this state running. */
export function isActive(state: State): boolean {
  return state === "downloading" || state === "starting" || state === "running";
}

/** One member's phase, and when the protocol's state began. */
export class Phases {
  #now: Phase = { kind: "absent" };
  #since = new Date();
  #changed: PromiseWithResolvers<void> | undefined;

  constructor(readonly onChange: () => void) {}

  get now(): Phase {
    return this.#now;
  }
  get since(): Date {
    return this.#since;
  }

  /** Resolves at its next change. */
  changed(): Promise<void> {
    return (this.#changed ??= Promise.withResolvers<void>()).promise;
  }

  /** @param since when the protocol's state began, if not now. @throws {Error} the table does not allow it. */
  to(next: Phase, since = new Date()): void {
    const before = this.#now;
    if (next.kind !== before.kind && !NEXT[before.kind].includes(next.kind)) {
      throw new Error(`a member cannot go from ${before.kind} to ${next.kind}`);
    }
    this.#now = next;
    if (wireState(before).state !== wireState(next).state) this.#since = since;
    this.#changed?.resolve();
    this.#changed = undefined;
    this.onChange();
  }
}
