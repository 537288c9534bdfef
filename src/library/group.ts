/**
 * A group in the library: the bound holder that serves it, its members, and those to remove at its end.
 *
 * One group has one holder at a time. A holder ends with its last machine; a machine that is started after that gets a
 * new one. Members of this group have this process as their owner, so that a holder whose client was killed removes
 * them. A stopped member without a holder stays after its client was killed; it is recognised by its dead owner, and
 * replaced.
 */

import { startLimit } from "../core/deadline.ts";
import { resolveHelper } from "../../helper/resolve.ts";
import { getReport, reachMember, type Session, spawn, type SpawnOptions, stop } from "../control.ts";
import { BringUp } from "../control/bring_up.ts";
import { checkRoomToRestore } from "../control/bring_up/room.ts";
import { addForward } from "../control/forwards.ts";
import { type GroupFacts, type MemberFacts, observeMembers } from "../control/observe.ts";
import { type Plan, planBound } from "../control/plan.ts";
import { removeStopped } from "../control/remove.ts";
import { takeCheckpoint } from "../control/snapshots/checkpoint.ts";
import { groupsToSave } from "../control/snapshots/group_to_save.ts";
import { suspend } from "../control/snapshots/suspend.ts";
import { codeOf, FleetboxError } from "../core/errors.ts";
import { checkNames } from "../core/names.ts";
import { type ForwardWish, type Options, optionsOf, type PortForward, type SnapshotWish } from "../core/options.ts";
import type { Loss } from "../core/power_cut.ts";
import { isAlive, isSameProcess, ownIdentity } from "../system/process.ts";
import { removeIfThere } from "../system/files.ts";
import { diskOf } from "../store/disk.ts";
import type { Store } from "../store.ts";
import type { CheckpointManifest } from "../store/snapshots.ts";
import type { MemberReport, PowerCutEvent } from "../wire.ts";
import { removeAbandonedCheckpoints } from "./checkpoints/saved_checkpoint.ts";
import type { Existing, Group, GroupRequest, Home, SaveWish } from "./places/home.ts";
import { again, sizesOf } from "./members/members.ts";
import { checkEffect, OF_ITS_OWN, scriptsHaveRun } from "./option_effects.ts";
import { GroupTrace } from "./trace/group_trace.ts";
import type { RebootOptions, RestoreOptions } from "./types.ts";

/** How long the guest of a kept machine may take to shut down at the end. */
const LAST_GRACE_MS = 15_000;
/** How long a holder may take to end when it is told to. */
const HOLDER_END_MS = 20_000;

/** The present members of this process, by store and name. */
const HELD = new Set<string>();

interface GroupMember {
  /** Whether this group made it; then it is removed at the end. */
  isOwned: boolean;
  /** The options that it was made with. */
  options: Options;
}

export class MachineGroup implements Group {
  readonly trace: GroupTrace | undefined;
  readonly #options: Options;
  readonly #defaults: Options;
  readonly #existing: Existing;
  #session: Session | undefined;
  readonly #members = new Map<string, GroupMember>();
  /** Every name that was ever in it. */
  readonly #names = new Set<string>();
  /** First names of the holders that served this group: their logs are named after those. */
  readonly #logs = new Set<string>();
  /** Changes of the group's holder run one after the other. */
  #turn: Promise<unknown> = Promise.resolve();
  #end: Promise<void> | undefined;

  private constructor(readonly home: Home, { options, defaults = {}, existing, test }: GroupRequest) {
    const { store } = home;
    this.trace = GroupTrace.of(store, test);
    this.#existing = existing;
    const owner = ownIdentity();
    const { snapshot: _, ...lasting } = options; // a checkpoint is for the first start alone
    this.#options = owner ? { ...lasting, owner } : lasting;
    this.#defaults = { ...this.#options, ...defaults, members: undefined };
  }

  /**
   * Boots a group; returns when every machine answers.
   * @throws {FleetboxError} why it did not come up; then its machines are removed.
   */
  static async open(request: GroupRequest & { home: Home }): Promise<{ group: MachineGroup; reports: MemberReport[] }> {
    const names = checkNames(request.names);
    const { existing, signal } = request;
    if (signal?.aborted) throw interrupted(names, signal);
    const group = new MachineGroup(request.home, request);
    await removeAbandonedCheckpoints(group.store);
    try {
      for (const name of names) {
        group.#claim(name, optionsOf(group.#options, name), optionsOf(request.options, name), existing);
      }
      const options = { ...group.#options, snapshot: request.options.snapshot };
      return { group, reports: await group.#bringUp(names, options, existing, signal) };
    } catch (thrown) {
      await group.close();
      throw thrown;
    }
  }

  get store(): Store {
    return this.home.store;
  }

  /** Takes a name that no other group of this process has. @param asked what an existing machine must be */
  #claim(name: string, options: Options, asked: Options, existing: Existing): void {
    if (this.#members.has(name) || HELD.has(this.#key(name))) {
      throw new FleetboxError(
        "conflict",
        `Cannot make the machine "${name}": this process already has one of that name`,
      );
    }
    const config = existing === "reuse" ? this.store.config(name) : undefined;
    if (config) checkEffect(config, asked);
    HELD.add(this.#key(name));
    this.#names.add(name);
    this.#members.set(name, { isOwned: false, options });
  }

  #forget(name: string): void {
    this.#members.delete(name);
    HELD.delete(this.#key(name));
  }

  #key(name: string): string {
    return `${this.store.root}\0${name}`;
  }

  /** Boots stopped members onto the network of the others, and returns their reports. */
  async #bringUp(
    names: string[],
    options: Options,
    existing: Existing,
    signal: AbortSignal = new AbortController().signal,
  ): Promise<MemberReport[]> {
    if (signal.aborted) throw interrupted(names, signal);
    const bringUp = new BringUp(this.store, {
      names,
      context: [...this.#members.keys()],
      options,
      wait: true,
      timeoutMs: Math.max(...names.map((name) => optionsOf(options, name).boot_timeout_ms!)),
      plan: (facts, groups) => this.#plan(names, facts, groups, existing),
      findExecutable: resolveHelper,
      startHolder: (request) => this.#startHolder(request),
      inTurn: (work) => this.#inTurn(work),
      signal,
    });
    try {
      return scriptsHaveRun(await bringUp.run(), options);
    } catch (thrown) {
      if (signal.aborted) throw interrupted(names, signal);
      throw thrown;
    }
  }

  #plan(names: string[], facts: Map<string, MemberFacts>, groups: GroupFacts[], existing: Existing): Plan {
    for (const name of names) this.#check(name);
    const members = names.map((name) => facts.get(name)!);
    const others = [...facts.values()].filter(({ name }) => !names.includes(name));
    const plan = planBound(members, others, groups, { holder: this.#session?.pid, existing, isAlive });
    if (plan.step === "spawn" || plan.step === "add") {
      for (const { name, stored } of members) if (!stored) this.#members.get(name)!.isOwned = true;
    }
    return plan;
  }

  async #startHolder(request: SpawnOptions): Promise<Session> {
    // The earlier holder is ending, and its control socket has the same name.
    await this.#session?.close();
    this.#logs.add(request.names[0]);
    const session = await spawn(this.store, { ...request, bound: true });
    this.#session = session;
    this.trace?.begin(request.names[0]);
    void session.ended.then(() => {
      if (this.#session === session) this.#session = undefined;
    });
    return session;
  }

  async add(name: string, asked: Options, signal?: AbortSignal): Promise<MemberReport> {
    // The group's options are the defaults. A member that exists keeps its size and what it may reach.
    const isThere = this.store.readMember(name) !== undefined;
    const kept = isThere ? OF_ITS_OWN : {};
    const options = { ...this.#defaults, publish: undefined, ...kept, ...asked };
    this.#claim(name, options, asked, this.#existing);
    try {
      const [report] = await this.#bringUp([name], options, this.#existing, signal);
      return report;
    } catch (thrown) {
      if (this.#members.get(name)?.isOwned) await this.destroy(name).catch(() => {});
      this.#forget(name);
      throw thrown;
    }
  }

  async start(name: string, request: RebootOptions): Promise<MemberReport> {
    const member = this.#members.get(name);
    const options = again(member?.options ?? this.#options, request);
    const [report] = await this.#bringUp([name], options, "reuse", request.signal);
    if (member) member.options = { ...member.options, ...sizesOf(request) };
    return report;
  }

  async suspend(names: readonly string[]): Promise<void> {
    for (const name of names) this.#check(name);
    const running = (await observeMembers(this.store, names)).filter(({ isSuspended }) => !isSuspended);
    for (const group of groupsToSave(running, "suspend")) await suspend(this.store, group);
  }

  async checkpoint(
    names: readonly string[],
    { as, isOurs, owner = isOurs ? this.#options.owner : undefined, signal }: SaveWish,
  ): Promise<CheckpointManifest> {
    for (const name of names) this.#check(name);
    return await takeCheckpoint(this.store, { names, as, signal, ...(owner ? { owner } : {}) });
  }

  async restore(wish: SnapshotWish, request: RestoreOptions): Promise<MemberReport[]> {
    const names = Object.keys(wish.members);
    const made = names.filter((name) => !this.#members.has(name));
    this.#checkOpen(names[0]);
    for (const name of made) this.#claim(name, this.#options, {}, "reuse");
    try {
      await checkRoomToRestore(this.store, names.length);
      await Promise.all(names.map((name) => this.kill(name)));
      const options = { ...again(this.#options, request), members: undefined, snapshot: { ...wish, replace: true } };
      return await this.#bringUp(names, options, "reuse", request.signal);
    } catch (thrown) {
      for (const name of made) if (!this.store.readMember(name)) this.#forget(name);
      throw thrown;
    }
  }

  async report(name: string, reach = false): Promise<MemberReport | undefined> {
    try {
      return await (reach ? reachMember : getReport)(this.store, name);
    } catch (thrown) {
      if (codeOf(thrown) === "not-found") return undefined; // it left between the request and the reply
      throw thrown;
    }
  }

  async stop(name: string, options: { graceMs?: number; signal?: AbortSignal }): Promise<void> {
    this.#check(name);
    if (await this.#isServed(name)) await stop(this.store, name, options);
    if (options.signal?.aborted) throw interrupted([name], options.signal);
  }

  /** A stopped member's forward opens at its next start. */
  async forward(name: string, wish: ForwardWish): Promise<PortForward> {
    this.#check(name);
    return await addForward(this.store, name, wish);
  }

  async kill(name: string, loss?: Loss): Promise<PowerCutEvent | undefined> {
    let cut: PowerCutEvent | undefined;
    const onPowerCut = (event: PowerCutEvent) => void (cut = event);
    if (await this.#isServed(name)) await stop(this.store, name, { force: true, loss, onPowerCut });
    return cut;
  }

  /** Whether our holder serves a member. Another process's member of the same name does not count. */
  async #isServed(name: string): Promise<boolean> {
    const pid = this.#session?.pid;
    return pid !== undefined && (await this.report(name))?.pid === pid;
  }

  async destroy(name: string): Promise<void> {
    if (!this.#members.has(name)) return;
    await this.kill(name);
    await removeStopped(this.store, name);
    this.#forget(name);
  }

  async keep(name: string): Promise<[what: string, path: string][]> {
    const { disk, serialLog } = this.store.member(name);
    const paths = { disk, console: serialLog, log: this.store.holderLog([...this.#logs].at(-1)!) };
    const member = this.#members.get(name);
    if (!member) return Object.entries(paths);
    member.isOwned = false;
    await this.store.withMemberLock(name, async () => {
      const config = this.store.config(name);
      if (!config) return;
      paths.disk = diskOf(this.store, config);
      delete config.owner;
      await this.store.writeConfig(config);
    });
    return Object.entries(paths);
  }

  async release(name: string): Promise<void> {
    const member = this.#members.get(name);
    if (!member) return;
    if (member.isOwned) return await this.destroy(name);
    await this.stop(name, { graceMs: LAST_GRACE_MS });
    this.#forget(name);
  }

  close(): Promise<void> {
    return this.#end ??= this.#close();
  }

  async #close(): Promise<void> {
    await this.#turn.catch(() => {});
    const pack = await this.trace?.end();
    const packed = pack?.();
    const failures: unknown[] = [];
    await Promise.all([...this.#members].map(async ([name, { isOwned }]) => {
      if (isOwned || !await this.#isServed(name)) return;
      await stop(this.store, name, { graceMs: LAST_GRACE_MS }).catch((thrown) => failures.push(thrown));
    }));
    await this.#endHolder();
    for (const [name, { isOwned }] of this.#members) {
      if (isOwned && this.#isOurs(name)) await removeStopped(this.store, name).catch((thrown) => failures.push(thrown));
      this.#forget(name);
    }
    const isKept = [...this.#names].some((name) => this.store.readMember(name));
    for (const first of this.#logs) if (!isKept) removeIfThere(this.store.holderLog(first));
    await packed;
    if (failures.length > 0) throw failures[0];
  }

  /**
   * Ends the holder with its machines. A holder that does not end by itself is killed, and its machines die with it.
   */
  async #endHolder(): Promise<void> {
    const session = this.#session;
    if (!session) return;
    const endLimit = startLimit(HOLDER_END_MS, () => {
      try {
        Deno.kill(session.pid, "SIGKILL");
      } catch { /* it has ended */ }
    });
    await session.close();
    endLimit();
  }

  /** Whether a member is this process's, and not one that another process made meanwhile. */
  #isOurs(name: string): boolean {
    const { owner } = this.#options;
    const stored = this.store.readMember(name);
    if (!stored) return true; // its boot failed before it had a config
    const found = stored && "config" in stored ? stored.config.owner : undefined;
    return !owner || isSameProcess(found, owner);
  }

  #checkOpen(name: string): void {
    if (this.#end) throw new FleetboxError("conflict", `The group of "${name}" was closed`);
  }

  #check(name: string): void {
    this.#checkOpen(name);
    if (!this.#members.has(name)) throw new FleetboxError("conflict", `"${name}" was destroyed`);
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#turn.catch(() => {}).then(work);
    this.#turn = mine;
    return await mine;
  }
}

export function interrupted(names: readonly string[], signal: AbortSignal): FleetboxError {
  return new FleetboxError("interrupted", `Starting ${names.map((name) => `"${name}"`).join(", ")} was interrupted`, {
    cause: signal.reason,
  });
}
