/**
 * Brings members up: observes, plans (`plan.ts`), acts, and repeats until they run. The body of `up`, `join` and the
 * library's `start` and `add`.
 *
 * After a failure or an interrupt it undoes its work: members that it started are stopped again, and new ones are
 * removed. Members that others started are never touched. For the first boot of a group the holder does this itself (all
 * or nothing); here it is done for interrupts and for members that were added.
 */

import { Limit, pause } from "../core/deadline.ts";
import { codeOf, FleetboxError } from "../core/errors.ts";
import { listed } from "../core/names.ts";
import { abilitiesFor, type Options, optionsOf } from "../core/options.ts";
import type { Store } from "../store.ts";
import type { Event, MemberReport } from "../wire.ts";
import { adoptedNote } from "./adopt.ts";
import { reportOfBegun } from "./bring_up/begun.ts";
import { checkRoom } from "./bring_up/room.ts";
import { type Started, startedFrom, takeDown, tellUndo, undoOf } from "./bring_up/take_down.ts";
import { changeEgress } from "./change_egress.ts";
import { changeLabels } from "./change_labels.ts";
import { addMember, reachMember, stop } from "./members.ts";
import { type GroupFacts, type MemberFacts, observeGroups, observeMembers } from "./observe.ts";
import { ineffective, standingOf, type Wording } from "./option_effects.ts";
import type { Plan } from "./plan.ts";
import { type Progress, SILENT } from "./progress.ts";
import { removeStopped } from "./remove.ts";
import { runScripts, whatRanBefore } from "./scripts.ts";
import { type FindExecutable, spawn, type SpawnOptions } from "./spawn.ts";
import { untilGone } from "./until_gone.ts";
import { waitMembers } from "./wait.ts";

export interface BringUpRequest {
  /** The members to bring up. */
  names: string[];
  /** Other members for the plan, such as `via`. @default [] */
  context?: string[];
  /** Those of single members are in `members`. */
  options: Options;
  /** The options that the user gave, and their names: those without an effect are reported. @default none */
  asked?: { options: Options; wording: Wording };
  /** Whether to return when they run, or already when a holder serves them. */
  wait: boolean;
  /** Whether each step is shown. */
  verbose?: boolean;
  /** The limit for each stage of a boot, in milliseconds. */
  timeoutMs: number;
  /** What to do next. May refuse by throwing as well. */
  plan: (facts: Map<string, MemberFacts>, groups: GroupFacts[]) => Plan;
  findExecutable: FindExecutable;
  /** Starts a holder. @default a detached one */
  startHolder?: (request: SpawnOptions) => Promise<{ pid: number }>;
  /** Runs an observation and the spawn that follows from it, one caller at a time. @default at once */
  inTurn?: <T>(work: () => Promise<T>) => Promise<T>;
  /** Called when a new holder has started its first machine, with the name of one of its members. */
  onMachine?: (via: string) => Promise<void>;
  /** Shows the work under way. @default nothing is shown */
  progress?: Progress;
  /** Interrupts it: what it started is stopped again. */
  signal: AbortSignal;
}

interface Look {
  plan: Plan;
  facts: Map<string, MemberFacts>;
}

/** How often a plan may fail because another command was faster. */
const MAX_ATTEMPTS = 12;
/** The extra time for the holder's own limit, before ours applies. */
const HOLDER_SLACK_MS = 20_000;
/** How long the holder may take to undo a failed first boot. */
const UNDO_MS = 60_000;

export class BringUp {
  readonly #progress: Progress;
  #started: Started[] = [];
  #told = new Set<string>();
  /** Members whose options were looked at, and what was noted. */
  #noted = new Set<string>();
  #attempt = 0;

  constructor(readonly store: Store, readonly request: BringUpRequest) {
    this.#progress = request.progress ?? SILENT;
  }

  /** The members that this call started and that still run. */
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
      if (!this.request.signal.aborted) throw thrown;
      throw await this.#undoInterrupted();
    }
  }

  /** Observes, plans and acts; true when nothing is left to do. */
  async #step(): Promise<boolean> {
    const { store, request } = this;
    this.#attempt++;
    const { inTurn = (work) => work() } = request;
    const look = await inTurn(() => this.#lookAndSpawn());
    if (!look) return false;
    const { plan, facts } = look;
    switch (plan.step) {
      case "refuse":
        throw plan.error;
      case "await-end":
        this.#progress.note(`waiting until ${listed(plan.names)} ${plan.names.length > 1 ? "are" : "is"} down`);
        await untilGone(store, plan.names, request.signal);
        return false;
      case "release":
        await Promise.all(plan.names.map((name) => stop(store, name, { force: true, signal: request.signal })));
        return false;
      case "replace":
        for (const name of plan.names) await removeStopped(store, name);
        return false;
      case "spawn": {
        request.signal.throwIfAborted();
        const isAll = request.names.every((name) => plan.names.includes(name));
        if (request.wait || !isAll) await this.#waitForSpawned(plan);
        await this.#change(plan.adopted.filter((name) => request.names.includes(name)));
        return isAll;
      }
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

  /** Undefined: another command was faster, and a new plan is needed. */
  async #lookAndSpawn(): Promise<Look | undefined> {
    const { store, request } = this;
    const members = await observeMembers(store, [...new Set([...request.names, ...request.context ?? []])]);
    const facts = new Map(members.map((member) => [member.name, member]));
    const plan = request.plan(facts, observeGroups(store));
    request.signal.throwIfAborted();
    for (const { report } of members) if (report) this.#tell({ event: "member", member: report });
    // On a busy host a hypervisor may not answer for a moment, so it is asked once more.
    if (this.#attempt === 1 && members.some(({ report }) => report?.not_answering)) return undefined;
    if (plan.step === "spawn" || plan.step === "add") await this.#checkRoom(plan, facts);
    if (plan.step === "spawn" && !(await this.#spawn(plan, facts))) return undefined;
    return { plan, facts };
  }

  /** @throws {FleetboxError} this host cannot bear the machines that are to be started */
  async #checkRoom(plan: Plan & { step: "spawn" | "add" }, facts: Map<string, MemberFacts>): Promise<void> {
    const { store, request } = this;
    const isSpawn = plan.step === "spawn";
    const names = isSpawn ? plan.names.filter((name) => !plan.adopted.includes(name)) : plan.add;
    if (names.length === 0) return;
    const holder = isSpawn ? undefined : facts.get(plan.via)?.report?.pid;
    const note = await checkRoom(store, names.map((name) => facts.get(name)!), request.options, holder);
    if (note !== undefined) this.#noteOnce(note);
  }

  /** What is so for several members is told once. */
  #noteOnce(note: string): void {
    if (!this.#noted.has(note)) this.#progress.note(note);
    this.#noted.add(note);
  }

  /** False when another command was faster and the plan must be made again. */
  async #spawn(plan: Plan & { step: "spawn" }, facts: Map<string, MemberFacts>): Promise<boolean> {
    const { store, request } = this;
    const { startHolder = (holder) => spawn(store, holder) } = request;
    // If the caller does not wait for the result, failed members stay, so that users can see the failure.
    const options = { ...request.options, remove_on_failure: request.wait };
    const mine = plan.names.filter((name) => !plan.adopted.includes(name)).map((name) => this.#began(name, facts));
    try {
      const exe = await request.findExecutable(store);
      this.#progress.detail(`a holder is started for ${listed(plan.names)}: ${exe.program}`);
      const holder = await startHolder({ exe, names: plan.names, options });
      this.#progress.detail(`process ${holder.pid} is their holder; its log: ${store.holderLog(plan.names[0])}`);
    } catch (thrown) {
      if (codeOf(thrown) !== "conflict" || !(await this.#shouldLookAgain(plan.names))) throw thrown;
      return false;
    }
    this.#tellIneffective(facts);
    const adopted = [...plan.adopted, ...plan.alsoAdopted];
    if (adopted.length > 0) this.#progress.note(adoptedNote(adopted));
    this.#started.push(...mine);
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
    for (const name of names) {
      if (this.started.includes(name)) continue;
      const options = optionsOf(this.request.options, name);
      const done = [
        await changeEgress(this.store, name, options, (event) => this.#tell(event)),
        await changeLabels(this.store, name, options.labels),
      ];
      for (const one of done) if (one) this.#progress.note(one);
    }
    // Also without a wait: what is asked of a member that runs ends with this command.
    await Promise.all(names.map(async (name) => {
      const { run = [] } = optionsOf(this.request.options, name);
      if (run.length === 0 || this.started.includes(name)) return;
      await runScripts(this.store, name, run, (event) => this.#tell(event), this.request.signal);
    }));
  }

  /** Reports options without an effect, once each. */
  #tellIneffective(facts: Map<string, MemberFacts>): void {
    const { names, asked } = this.request;
    if (!asked) return;
    const groups = observeGroups(this.store);
    for (const name of names) {
      const member = facts.get(name);
      if (!member || this.#noted.has(name)) continue;
      this.#noted.add(name);
      const config = member.stored && "config" in member.stored ? member.stored.config : undefined;
      const standing = standingOf(member, groups);
      const wished = optionsOf(asked.options, name);
      for (const { message, hint } of ineffective(name, standing, config, wished, asked.wording)) {
        this.#progress.note(`${message}. ${hint}`);
      }
      const isToBoot = config && standing !== "booting" && standing !== "running";
      if (isToBoot) { for (const text of whatRanBefore(config, wished)) this.#progress.note(text); }
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
    const { store, request } = this;
    const { onMachine = () => Promise.resolve(), signal, verbose } = request;
    let firstMachine: Promise<void> | undefined;
    const onEvent = (event: Event) => {
      this.#tell(event);
      if (event.event === "member" && hasMachine(event.member)) firstMachine ??= onMachine(plan.names[0]);
    };
    try {
      await waitMembers(store, plan.names, {
        timeoutMs: request.timeoutMs + HOLDER_SLACK_MS,
        byStage: true,
        verbose,
        output: true,
        signal,
        onEvent,
      });
      await firstMachine;
    } catch (thrown) {
      if (signal.aborted) throw thrown;
      const late = codeOf(thrown) === "timeout" && !(await isFailed(store, plan.names));
      if (late) await takeDown(store, this.#started, "failed", this.#progress);
      // The holder undoes a first boot by itself. Wait for its end, so that everything is undone when the command
      // returns.
      else {
        using limit = new Limit(UNDO_MS);
        const ending = (await observeMembers(store, this.started))
          .filter(({ report, silence }) => silence || report?.leaving).map(({ name }) => name);
        const { down } = undoOf(store, this.#started);
        if (down.length > 1) tellUndo(this.#progress, "failed", down);
        await untilGone(store, ending, AbortSignal.any([signal, limit.signal]));
      }
      throw thrown;
    }
  }

  /** False when another command interfered and the plan must be made again. */
  async #add(plan: Plan & { step: "add" }, facts: Map<string, MemberFacts>): Promise<boolean> {
    const { store, request } = this;
    const { signal, wait, verbose, timeoutMs } = request;
    const onEvent = (event: Event) => this.#tell(event);
    const added: Started[] = [];
    const begun = new Map(plan.add.map((name) => [name, Promise.withResolvers<void>()]));
    const needsOf = (name: string) => optionsOf(request.options, name).needs ?? [];
    const work = plan.add.map(async (name) => {
      // Its holder must know those that it needs.
      await Promise.all(needsOf(name).map((need) => begun.get(need)?.promise));
      signal.throwIfAborted();
      const mine = this.#began(name, facts);
      this.#started.push(mine);
      this.#progress.detail(`the holder of ${plan.via} is asked to boot ${name}`);
      const onEvent = (event: Event) => {
        if (event.event === "member" && event.member.running) begun.get(event.member.name)?.resolve();
        this.#tell(event);
      };
      try {
        const its = optionsOf(request.options, name);
        const must = abilitiesFor(its, !mine.isNew);
        const options = { ...its, ...(must.length > 0 ? { must } : {}), remove_on_failure: wait };
        await addMember(store, plan.via, name, { options, wait, verbose, output: true, onEvent, signal });
        added.push(mine);
      } catch (thrown) {
        // After an interrupt it may still boot, and stays ours; otherwise the holder has undone it.
        if (!signal.aborted) this.#started.splice(this.#started.indexOf(mine), 1);
        throw thrown;
      } finally {
        begun.get(name)!.resolve();
      }
    });
    if (wait && plan.pending.length > 0) {
      const limits = { timeoutMs, byStage: true, signal };
      work.push(waitMembers(store, plan.pending, { ...limits, verbose, output: true, onEvent }).then(() => {}));
    }
    const results = await Promise.allSettled(work);
    const failed = plan.add.filter((_, index) => results[index].status === "rejected");
    // That a member failed which another one needs is told once.
    const failures = results.flatMap((one, index) => {
      const isConsequence = index < plan.add.length && needsOf(plan.add[index]).some((need) => failed.includes(need));
      return one.status === "rejected" && !isConsequence ? [one.reason] : [];
    });
    signal.throwIfAborted();
    if (failures.length === 0) return true;
    const raced = failures.every((failure) => codeOf(failure) === "conflict" || codeOf(failure) === "not-found");
    if (raced && this.#attempt < MAX_ATTEMPTS && await standsOtherwise(store, plan)) return false;
    await takeDown(store, added, "failed", this.#progress);
    throw failures.length === 1 ? failures[0] : new AggregateError(failures);
  }

  async #undoInterrupted(): Promise<FleetboxError> {
    const names = this.started;
    const others = this.request.names.filter((name) => !names.includes(name));
    const left = others.length > 0 ? `; left as found: ${listed(others)}` : "";
    if (names.length === 0) return new FleetboxError("interrupted", `Interrupted; nothing was started${left}`);
    const stopped = await takeDown(this.store, this.#started, "interrupted", this.#progress);
    this.#started = [];
    const what = stopped.length > 0 ? `stopped again: ${listed(stopped)}` : "nothing was stopped";
    return new FleetboxError("interrupted", `Interrupted; ${what}${left}`);
  }

  #began(name: string, facts: Map<string, MemberFacts>): Started {
    return startedFrom(this.store, facts.get(name)!, optionsOf(this.request.options, name));
  }

  #tell(event: Event): void {
    const { names } = this.request;
    if (event.event === "member" && names.includes(event.member.name)) this.#progress.member(event.member);
    if (event.event === "note") this.#noteOnce(event.message);
    if (event.event === "output" && names.includes(event.name)) this.#progress.output(event);
    if (event.event === "detail" && names.includes(event.name)) this.#progress.detail(event);
  }

  #tellAlready(name: string): void {
    if (!this.#told.has(name) && !this.started.includes(name)) this.#progress.already(name);
    this.#told.add(name);
  }

  async #reports(): Promise<MemberReport[]> {
    const { store, request: { names, wait, signal } } = this;
    return await Promise.all(names.map(async (name) => {
      // A running member can be reached: wait for a gateway that has just died.
      const report = await (wait ? reachMember(store, name) : reportOfBegun(store, name, signal));
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

/** Whether a member's accelerator has been chosen. */
function hasMachine({ state, stage }: MemberReport): boolean {
  return state === "running" || (state === "starting" && !["image", "waiting", "queued", "disk"].includes(stage ?? ""));
}

async function isFailed(store: Store, names: readonly string[]): Promise<boolean> {
  return (await observeMembers(store, names)).some(({ report }) => !report || report.state === "error");
}
