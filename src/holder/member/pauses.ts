/**
 * Why a member's virtual CPUs stand still, and what lets them run again: a disk that is full or fails, a user's wish, a save.
 *
 * Only one reason at a time: a machine that is paused for one of them is not paused for another one.
 */

import { FleetboxError, messageOf, type WireError } from "../../core/errors.ts";
import { diskOf } from "../../store/disk.ts";
import { log } from "../log.ts";
import { Resumer } from "./disk_full_resume.ts";
import type { MachineRun } from "./machine_run.ts";
import type { Member } from "./member.ts";
import { type PauseReason, runOf } from "./phases.ts";

export class Pauses {
  readonly #resumer: Resumer;

  constructor(private readonly member: Member) {
    this.#resumer = new Resumer({
      dir: member.paths.dir,
      name: member.name,
      resume: async () => await this.#run?.machine.resume(),
    });
  }

  get #run(): MachineRun | undefined {
    return runOf(this.member.phases.now);
  }

  /** Its hypervisor has paused it. After a full disk the machine resumes once there is space. */
  afterDiskError(reason: Extract<PauseReason, "disk-full" | "disk-error">, what: string): void {
    const { name, paths, phases, config, context: { store } } = this.member;
    const disk = config ? diskOf(store, config) : paths.disk;
    const isFull = reason === "disk-full";
    const message = `paused: ${isFull ? "disk full" : "disk error"}: ${what} (${disk})`;
    const { now } = phases;
    const isKnown = now.kind === "paused" && now.pause.failure.message === message;
    if (!isKnown) log(`${name}: ${message}`);
    if (now.kind !== "booting" && now.kind !== "running" && now.kind !== "paused") return;
    if (isFull) this.#resumer.begin();
    if (isKnown) return;
    const hint = isFull
      ? `Free some space on the file system of ${paths.dir}: the machine then resumes by itself, and nothing is lost.`
      : undefined;
    const failure: WireError = { code: isFull ? "no-space" : "failed", message, causes: [], hint };
    const from = now.kind === "paused" ? now.from : now;
    phases.to({ kind: "paused", pause: { reason, failure }, run: now.run, from });
  }

  /** Pauses it while it is saved. @param onHeld called when it must be let go of, whatever comes of the pause */
  async forSave(run: MachineRun, onHeld: () => void): Promise<void> {
    const { name, phases } = this.member;
    const { now } = phases;
    if (now.kind === "paused" && now.run === run) throw this.#isPaused("save", now.pause.failure);
    if (now.kind !== "running" || now.run !== run) {
      throw new FleetboxError("conflict", `Cannot save "${name}": it does not run any more`);
    }
    checkFree(this.member);
    const failure: WireError = { code: "conflict", message: "paused: it is being saved", causes: [] };
    phases.to({ kind: "paused", pause: { reason: "checkpoint", failure }, run, from: now });
    onHeld();
    await run.machine.pause();
  }

  /** Ends that: the machine goes on, unless it is gone. */
  async afterSave(run: MachineRun): Promise<void> {
    try {
      await run.machine.resume();
    } catch (thrown) {
      log(`${this.member.name}: does not go on after it was saved: ${messageOf(thrown)}`);
    }
    if (this.#run === run) this.resumed();
  }

  /**
   * Pauses it, because a user wants that. Nothing happens when it is paused for that reason.
   * @throws {FleetboxError} `conflict`: it does not run, or is paused for another reason
   */
  async hold(why: string): Promise<void> {
    const { name, phases } = this.member;
    const { now } = phases;
    if (now.kind === "paused") {
      if (now.pause.reason === "user") return;
      throw this.#isPaused("pause", now.pause.failure);
    }
    if (now.kind !== "running") {
      throw new FleetboxError("conflict", `Cannot pause "${name}": it is ${this.member.state}, expected running`, {
        hint: `Start it first: fleetbox up ${name}`,
      });
    }
    const { run } = now;
    const message = `paused: ${why}`;
    const failure: WireError = { code: "conflict", message, causes: [], hint: `Let it go on: fleetbox resume ${name}` };
    phases.to({ kind: "paused", pause: { reason: "user", failure }, run, from: now });
    try {
      await run.machine.pause();
    } catch (thrown) {
      if (this.#run === run) this.resumed();
      throw thrown;
    }
  }

  /** Ends that. Nothing happens when it is not paused by a user. @throws {FleetboxError} `failed`: it does not go on */
  async release(): Promise<void> {
    const { now } = this.member.phases;
    if (now.kind !== "paused" || now.pause.reason !== "user") return;
    await now.run.machine.resume();
    if (this.#run === now.run) this.resumed();
  }

  /** The same for a machine that was just adopted: what paused it may have ended before this holder knew that it was. */
  async releaseAdopted(): Promise<void> {
    const { now } = this.member.phases;
    if (now.kind === "running") await now.run.machine.resume();
    else await this.release();
  }

  /** The machine runs again. */
  resumed(): void {
    this.#resumer.end();
    const { now } = this.member.phases;
    if (now.kind === "paused") this.member.phases.to(now.from);
  }

  /** The machine is ending. */
  end(): void {
    this.#resumer.end();
  }

  #isPaused(what: string, { message, hint }: WireError): FleetboxError {
    return new FleetboxError("conflict", `Cannot ${what} "${this.member.name}": it is ${message}`, { hint });
  }
}

/** What is saved of a machine would be under its faults for ever. @throws {FleetboxError} `conflict`: it is under one */
export function checkFree({ name, context }: Member): void {
  const [fault] = context.faults().onMachine(name);
  if (fault === undefined) return;
  throw new FleetboxError("conflict", `Cannot save "${name}": it is under the fault ${fault.id} (${fault.what})`, {
    hint: `End it first: fleetbox heal ${fault.id}`,
  });
}
