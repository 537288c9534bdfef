/**
 * Brings members up: observes, plans ({@link planUp}), acts, and repeats until they run. The body of `up` and `join`.
 *
 * After a failure or an interrupt it undoes its work: members that this command started are stopped again, and new ones
 * are removed. Members that other commands started are never touched. For the first boot of a group the holder does
 * this itself (all or nothing); here it is done for interrupts and for members that were added.
 */

import { Limit, pause } from "../core/deadline.ts";
import { resolveHelper } from "../../helper/resolve.ts";
import { addMember, changeMember, getGroup, getReport, reachMember, spawn, stop, waitMembers } from "../control.ts";
import { codeOf, FleetboxError } from "../core/errors.ts";
import type { Options } from "../core/options.ts";
import type { Store } from "../store.ts";
import type { Event, MemberReport } from "../wire.ts";
import type { Interrupt } from "../cli/terminal/interrupt.ts";
import { FLAG_WORDING } from "../cli/arguments/member_options.ts";
import { listed } from "../cli/arguments/name_arguments.ts";
import { type GroupFacts, type MemberFacts, observeGroups, observeMembers } from "./observe.ts";
import { ineffective, standingOf } from "./option_effects.ts";
import type { Progress } from "../cli/terminal/progress.ts";
import { isNews } from "../cli/said_once.ts";
import { removeLogs, removeStopped } from "./remove.ts";
import { adoptedNote } from "./adopt.ts";
import { untilGone } from "./until_gone.ts";
import type { Plan } from "./plan.ts";

export interface BringUp {
  /** The members to bring up. */
  names: string[];
  /** Other members for the plan, such as `via`. @default [] */
  context?: string[];
  options: Options;
  /** The options that the user gave: those without an effect are reported. */
  asked: Options;
  /** Whether to return when they run, or already when a holder serves them. */
  wait: boolean;
  /** Whether each step is shown. */
  verbose?: boolean;
  /** The limit for one boot, in milliseconds. */
  timeoutMs: number;
  plan: (facts: Map<string, MemberFacts>, groups: GroupFacts[]) => Plan;
}

/** A member that this command started. */
interface Started {
  name: string;
  /** Whether it did not exist before. */
  isNew: boolean;
}

/** How often a plan may fail because another command was faster. */
const MAX_ATTEMPTS = 12;
/** The extra time for the holder's own limit, before ours applies. */
const HOLDER_SLACK_MS = 20_000;
/** How long the holder may take to undo a failed first boot. */
const UNDO_MS = 60_000;
/** How long a guest that already ran may take to shut down when its command is undone. */
const UNDO_GRACE_MS = 10_000;

export class Bringing {
  #started: Started[] = [];
  #told = new Set<string>();
  #noted = new Set<string>();
  #attempt = 0;

  constructor(
    readonly store: Store,
    readonly request: BringUp,
    readonly progress: Progress,
    readonly interrupt: Interrupt,
  ) {}

  /** The members that this command started and that still run. */
  get started(): string[] {
    return this.#started.map(({ name }) => name);
  }

  /**
   * @returns the members' reports, in the order of `names`.
   * @throws {FleetboxError} why they do not run; `interrupted`
   */
  async run(): Promise<MemberReport[]> {
    try {
      while (!(await this.#step()));
      return await this.#reports();
    } catch (thrown) {
      if (!this.interrupt.happened) throw thrown;
      throw await this.#undoInterrupted();
    }
  }

  /** Observes, plans and acts; true when nothing is left to do. */
  async #step(): Promise<boolean> {
    const { store, request, progress, interrupt } = this;
    this.#attempt++;
    const members = await observeMembers(store, [...new Set([...request.names, ...request.context ?? []])]);
    const facts = new Map(members.map((member) => [member.name, member]));
    const plan = request.plan(facts, observeGroups(store));
    interrupt.signal.throwIfAborted();
    for (const { report } of members) if (report) this.#tell({ event: "member", member: report });
    // On a busy host a hypervisor may not answer for a moment, so it is asked once more.
    if (this.#attempt === 1 && members.some(({ report }) => report?.not_answering)) return false;

    switch (plan.step) {
      case "refuse":
        throw plan.error;
      case "await-end":
        progress.note(`waiting until ${listed(plan.names)} ${plan.names.length > 1 ? "are" : "is"} down`);
        await untilGone(store, plan.names, interrupt.signal);
        return false;
      case "spawn":
        if (!(await this.#spawn(plan, facts))) return false;
        interrupt.signal.throwIfAborted();
        if (request.wait || request.context) await this.#waitForSpawned(plan);
        await this.#change(plan.taken.filter((name) => request.names.includes(name)));
        return request.names.every((name) => plan.names.includes(name));
      case "add":
        this.#tellIneffective(facts);
        await this.#change(request.wait ? plan.running : [...plan.running, ...plan.pending]);
        if (request.wait && !(await this.#areReachable(plan.running))) return false;
        for (const name of plan.running) this.#tellAlready(name);
        if (!(await this.#add(plan, facts))) return false;
        if (request.wait) await this.#change(plan.pending);
        return true;
      default:
        return plan satisfies never;
    }
  }

  /** False when another command was faster and the plan must be made again. */
  async #spawn(plan: Plan & { step: "spawn" }, facts: Map<string, MemberFacts>): Promise<boolean> {
    // If no command waits for the result, failed members stay, so that users can see the failure.
    const options = { ...this.request.options, remove_on_failure: this.request.wait };
    try {
      const exe = await resolveHelper(this.store);
      this.progress.detail(`a holder is started for ${listed(plan.names)}: ${exe.program}`);
      const holder = await spawn(this.store, { exe, names: plan.names, options });
      this.progress.detail(`process ${holder.pid} is their holder; its log: ${this.store.holderLog(plan.names[0])}`);
    } catch (thrown) {
      if (codeOf(thrown) !== "conflict" || !(await this.#shouldLookAgain(plan.names))) throw thrown;
      return false;
    }
    this.#tellIneffective(facts);
    const back = [...plan.taken, ...plan.strays];
    if (back.length > 0) this.progress.note(adoptedNote(back));
    for (const name of plan.names) {
      if (!plan.taken.includes(name)) this.#started.push({ name, isNew: facts.get(name)?.stored === undefined });
    }
    return true;
  }

  /** Returns when running members can be reached: a gateway that has just died is waited for. False: one has left. */
  async #areReachable(names: readonly string[]): Promise<boolean> {
    try {
      const reports = await Promise.all(names.map((name) => reachMember(this.store, name)));
      return !reports.includes(undefined);
    } catch (thrown) {
      if (codeOf(thrown) === "not-found") return false;
      throw thrown;
    }
  }

  /** Applies the options that take effect on a member without a boot. */
  async #change(names: readonly string[]): Promise<void> {
    const { egress, host_access } = this.request.options;
    if (egress === undefined && host_access === undefined) return;
    const isAsIs = (report: Pick<MemberReport, "egress" | "host_access">) =>
      report.egress === (egress ?? report.egress) && report.host_access === (host_access ?? report.host_access);
    for (const name of names) {
      if (this.started.includes(name)) continue;
      const before = await getReport(this.store, name);
      // Where a holder of an earlier version does not tell it of a member that runs, it is its group's.
      const group = before?.egress || before?.state !== "running" ? undefined : await getGroup(this.store, name);
      const has = before?.egress ? before : group;
      if (has && isAsIs(has)) continue;
      if (!(await changeMember(this.store, name, { egress, host_access }, (event) => this.#tell(event)))) continue;
      const report = await getReport(this.store, name);
      if (!report) continue; // it has left, and is missing at the end
      this.progress.note(
        `${name}: egress is ${report.egress} now${report.host_access ? ", with access to the host" : ""}`,
      );
    }
  }

  /** Reports options without an effect, once each. */
  #tellIneffective(facts: Map<string, MemberFacts>): void {
    const groups = observeGroups(this.store);
    for (const name of this.request.names) {
      const member = facts.get(name);
      if (!member || this.#noted.has(name)) continue;
      this.#noted.add(name);
      const config = member.stored && "config" in member.stored ? member.stored.config : undefined;
      const standing = standingOf(member, groups);
      for (const { message, hint } of ineffective(name, standing, config, this.request.asked, FLAG_WORDING)) {
        this.progress.note(`${message}. ${hint}`);
      }
    }
  }

  /** After a conflict: whether to plan again, because another holder serves them now, or may soon. */
  async #shouldLookAgain(names: readonly string[]): Promise<boolean> {
    const served = (await observeMembers(this.store, names)).some((member) => member.report || member.silence);
    if (served) return this.#attempt < MAX_ATTEMPTS;
    await pause(100 * this.#attempt);
    return this.#attempt < 4;
  }

  async #waitForSpawned(plan: Plan & { step: "spawn" }): Promise<void> {
    const { store, interrupt } = this;
    let accelerator: Promise<void> | undefined;
    try {
      await waitMembers(store, plan.names, {
        timeoutMs: this.request.timeoutMs + HOLDER_SLACK_MS,
        verbose: this.request.verbose,
        signal: interrupt.signal,
        onEvent: (event) => {
          this.#tell(event);
          if (event.event === "member" && hasMachine(event.member)) {
            accelerator ??= this.#announceAccelerator(plan.names[0]);
          }
        },
      });
      await accelerator;
    } catch (thrown) {
      if (interrupt.happened) throw thrown;
      const late = codeOf(thrown) === "timeout" && !(await isFailed(store, plan.names));
      if (late) await takeDown(store, this.#started);
      // The holder undoes a first boot by itself. Wait for its end, so that everything is undone when the command
      // returns.
      else {
        using limit = new Limit(UNDO_MS);
        await untilGone(store, this.started, AbortSignal.any([interrupt.signal, limit.signal]));
      }
      throw thrown;
    }
  }

  /** False when another command interfered and the plan must be made again. */
  async #add(plan: Plan & { step: "add" }, facts: Map<string, MemberFacts>): Promise<boolean> {
    const { store, request, interrupt, progress } = this;
    const onEvent = (event: Event) => this.#tell(event);
    const added: Started[] = [];
    const work = plan.add.map(async (name) => {
      const mine = { name, isNew: facts.get(name)?.stored === undefined };
      this.#started.push(mine);
      progress.detail(`the holder of ${plan.via} is asked to boot ${name}`);
      try {
        const options = { ...request.options, remove_on_failure: request.wait };
        await addMember(store, plan.via, name, {
          options,
          wait: request.wait,
          verbose: request.verbose,
          onEvent,
          signal: interrupt.signal,
        });
        added.push(mine);
      } catch (thrown) {
        // After an interrupt it may still boot, and stays ours; otherwise the holder has undone it.
        if (!interrupt.happened) this.#started.splice(this.#started.indexOf(mine), 1);
        throw thrown;
      }
    });
    if (request.wait && plan.pending.length > 0) {
      const limits = { timeoutMs: request.timeoutMs, verbose: request.verbose, onEvent, signal: interrupt.signal };
      work.push(waitMembers(store, plan.pending, limits).then(() => {}));
    }
    const failures = (await Promise.allSettled(work)).filter((one) => one.status === "rejected").map((one) =>
      one.reason
    );
    interrupt.signal.throwIfAborted();
    if (failures.length === 0) return true;
    const raced = failures.every((failure) => codeOf(failure) === "conflict" || codeOf(failure) === "not-found");
    if (raced && this.#attempt < MAX_ATTEMPTS && await standsOtherwise(store, plan)) return false;
    await takeDown(store, added);
    throw failures.length === 1 ? failures[0] : new AggregateError(failures);
  }

  async #undoInterrupted(): Promise<FleetboxError> {
    const names = this.started;
    const others = this.request.names.filter((name) => !names.includes(name));
    const left = others.length > 0 ? `; left as found: ${listed(others)}` : "";
    if (names.length === 0) return new FleetboxError("interrupted", `Interrupted; nothing was started${left}`);
    this.progress.note(`interrupted: taking ${listed(names)} down again`);
    await takeDown(this.store, this.#started);
    this.#started = [];
    return new FleetboxError("interrupted", `Interrupted; stopped again: ${listed(names)}${left}`);
  }

  #tell(event: Event): void {
    if (event.event === "member" && this.request.names.includes(event.member.name)) this.progress.member(event.member);
    if (event.event === "note") this.progress.note(event.message);
    if (event.event === "detail" && this.request.names.includes(event.name)) this.progress.detail(event);
  }

  #tellAlready(name: string): void {
    if (!this.#told.has(name) && !this.started.includes(name)) this.progress.already(name);
    this.#told.add(name);
  }

  /** One line, once a host: without hardware acceleration machines run ten times slower, and a user wants to know why. */
  async #announceAccelerator(via: string): Promise<void> {
    try {
      const accelerator = (await getGroup(this.store, via))?.accelerator;
      if (!accelerator?.fallback) return;
      if (await isNews(this.store, accelerator.reason)) this.progress.note(shortReason(accelerator.reason));
    } catch { /* the wait reports the holder's problem */ }
  }

  async #reports(): Promise<MemberReport[]> {
    return await Promise.all(this.request.names.map(async (name) => {
      // A running member can be reached: wait for a gateway that has just died.
      const report = this.request.wait ? await reachMember(this.store, name) : await getReport(this.store, name);
      if (report) return report;
      throw new FleetboxError("failed", `"${name}" was stopped while this command waited for it`);
    }));
  }
}

/** Whether the plan is outdated: its `via` left, or another command has added a member of it. */
async function standsOtherwise(store: Store, plan: Plan & { step: "add" }): Promise<boolean> {
  const [via, ...others] = await observeMembers(store, [plan.via, ...plan.add]);
  return !via.report || via.report.stage === "stopping" || others.some(({ report }) => report?.running);
}

/** Stops members that this command started, and removes those that it made. */
async function takeDown(store: Store, started: readonly Started[]): Promise<void> {
  const results = await Promise.allSettled(started.map(async ({ name, isNew }) => {
    const running = (await getReport(store, name).catch(() => undefined))?.state === "running";
    // A guest that is up on an older disk gets time to shut down. Others are ended at once.
    await stop(store, name, { force: isNew || !running, graceMs: UNDO_GRACE_MS });
    if (isNew) await removeStopped(store, name);
  }));
  removeLogs(store, started.map(({ name }) => name));
  const failure = results.find((result) => result.status === "rejected");
  if (failure) {
    throw new FleetboxError("failed", `Not all of ${listed(started.map(({ name }) => name))} could be stopped`, {
      cause: failure.reason,
      hint: "List the members: fleetbox ls",
    });
  }
}

/** A reason in one line: what the hypervisor said is left to `doctor` and `status` when it takes more. */
export function shortReason(reason: string): string {
  return reason.length <= 79 ? reason : reason.replace(/(: .*?) \(.*$/s, "$1");
}

/** Whether a member's accelerator has been chosen. */
function hasMachine({ state, stage }: MemberReport): boolean {
  return state === "running" || (state === "starting" && stage !== "image" && stage !== "disk");
}

async function isFailed(store: Store, names: readonly string[]): Promise<boolean> {
  return (await observeMembers(store, names)).some(({ report }) => !report || report.state === "error");
}
