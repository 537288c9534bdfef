/**
 * One member in its holder: its phase and its operations.
 *
 * `boot.ts` has the boot, `stop.ts` the end, `phases.ts` the phases and the ownership of resources. The group
 * (`group/`) knows its members and its own end.
 */

import { FleetboxError, toWireError } from "../../core/errors.ts";
import { IN_GUEST } from "../../core/faults/machines.ts";
import type { ForwardWish, Options, PortForward } from "../../core/options.ts";
import type { HostEnd } from "../../core/port_forwards.ts";
import type { MemberConfig, MemberPaths, Store } from "../../store.ts";
import type { ProcessIdentity } from "../../system/process.ts";
import type { Driver, MachineEvent, MachineExit } from "../../vmm/contract.ts";
import {
  type Detail,
  encodeLine,
  type MemberReport,
  type OutputEvent,
  type SshEndpoint,
  type State,
} from "../../wire.ts";
import { SharedConsole } from "../console/shared_console.ts";
import type { HypervisorHost } from "../host.ts";
import type { Gate } from "../group/gate.ts";
import type { GroupFaults } from "../faults/of_group.ts";
import { log } from "../log.ts";
import type { Replaced } from "../snapshots/replaced.ts";
import type { GroupNetwork } from "../network/group_network.ts";
import { adoptMember, Boot, bootMember, type OrphanedMachine } from "./boot.ts";
import { lastLines } from "./boot_failure.ts";
import type { Identity } from "./identity.ts";
import type { MachineRun } from "./machine_run.ts";
import { bootOf, isActive, isBeingAdopted, type Phase, Phases, runOf, wireState } from "./phases.ts";
import { changeUse } from "./gateway_use.ts";
import { Pauses } from "./pauses.ts";
import { MemberPorts } from "./ports.ts";
import type { Prepared } from "./prepare.ts";
import { memberReport } from "./report.ts";
import { runGiven } from "../scripts/member_scripts.ts";
import { endOrphan, type PowerCut, type Stop, type StopRequest, stopRun } from "./stop.ts";

/** The group's part. */
export interface MemberContext {
  store: Store;
  group: string;
  groupId: string;
  bound: boolean;
  driver: Driver;
  host: HypervisorHost;
  network: GroupNetwork;
  /** Writes the member's pidfile again, because its directory may have been removed since the claim. */
  writePid(name: string): Promise<void>;
  /** Where members wait for others. */
  gate: Gate;
  /** What the group's clients are to know besides. */
  onNote(message: string): void;
  /** Does what moves disks, one after the other: the group's saves are among that. */
  inTurn(work: () => Promise<void>): Promise<void>;
  /** Work that goes on while the member runs; the group waits for it before its end, for a while. It does not reject. */
  later(work: Promise<void>): void;
  /** Called with each step. */
  onDetail(detail: Detail): void;
  /** Called with each line that a script says. */
  onOutput(output: OutputEvent): void;
  /** A value of `report()` has changed. */
  onChange(member: Member): void;
  /** The guest powered itself off: the member leaves the group. */
  onPowerOff(member: Member): void;
  /** A machine is about to stand still for much of the time, or does no more: what continues it must know, if this process is killed. */
  onSqueeze(): Promise<void>;
  /** The faults of the group. */
  faults(): Pick<GroupFaults, "of" | "isPaused" | "onMachine" | "lost">;
}

/** How long a hypervisor may take to answer before it is reported as silent. */
const ANSWER_MS = 500;

export class Member {
  readonly paths: MemberPaths;
  readonly phases: Phases;
  readonly console: SharedConsole;
  readonly ports: MemberPorts;
  readonly pauses: Pauses;
  config: MemberConfig | undefined;
  /** Who it is on its network, also before its config says it. */
  identity: Identity | undefined;
  /** Whether the latest boot made the member: a failed first boot removes what it made. */
  created = false;
  /** What its restore replaces, until all members of the checkpoint go on. */
  replaced: Replaced | undefined;
  /** Whether its suspended state is used up: what was in its memory is in its machine alone. */
  hasGoneOn = false;
  /** Whether its group's first boot failed: it only stays to report the reason. */
  isLeaving = false;
  /** Resolved when none that was asked for before runs a script in it. */
  scriptTurn: Promise<void> = Promise.resolve();
  /** The steps of the latest boot. */
  #details: Detail[] = [];

  constructor(readonly name: string, readonly context: MemberContext) {
    this.paths = context.store.member(name);
    this.phases = new Phases(() => context.onChange(this));
    this.console = new SharedConsole(this.paths.serialLog);
    this.ports = new MemberPorts(name, context.store, context.network);
    this.pauses = new Pauses(this);
  }

  get state(): State {
    return wireState(this.phases.now).state;
  }
  /** The running boot. */
  get booting(): Promise<void> | undefined {
    return bootOf(this.phases.now)?.done;
  }
  /** Its machine, while it may stand still when this process is killed. */
  get squeezed(): ProcessIdentity | undefined {
    return this.#run?.isSqueezed ? this.#run.machine.process : undefined;
  }
  get isStopping(): boolean {
    return this.phases.now.kind === "stopping";
  }
  get #run(): MachineRun | undefined {
    return runOf(this.phases.now);
  }
  /** The hypervisor's process, while it runs. */
  get process(): ProcessIdentity | undefined {
    return this.#run?.machine.process ?? orphanOf(this.phases.now);
  }
  /** The running machine of a failed member: an earlier holder's, or one that was adopted only in part. */
  get stray(): ProcessIdentity | undefined {
    return bootOf(this.phases.now) ? undefined : this.process;
  }
  /** Its SSH endpoint: a restarted gateway may have another port. */
  get #endpoint(): SshEndpoint | undefined {
    const ssh = this.#run?.ssh;
    if (!ssh || !this.config) return undefined;
    return { ...ssh, port: this.context.network.knownSshPort(this.config.ip) ?? ssh.port };
  }
  get sshPort(): number | undefined {
    return this.#endpoint?.port;
  }
  /** The steps of the latest boot, so far. */
  get details(): readonly Detail[] {
    return this.#details;
  }

  /**
   * Boots the member as who it is on its network; returns when it runs. While one boot is under way, a second call waits for it.
   * @throws the cause, when it does not come up; then it is `failed`, or `stopped` if it was stopped meanwhile.
   */
  boot(identity: Identity, options: Options): Promise<void> {
    const underWay = bootOf(this.phases.now);
    if (underWay) return underWay.done;
    if (this.#run) {
      return Promise.reject(
        new FleetboxError("conflict", `Cannot boot "${this.name}": its machine runs, and was not adopted`, {
          hint: `Stop it first: fleetbox stop ${this.name}`,
        }),
      );
    }
    return this.#begin(new Boot(this, options, false), (boot) => bootMember(boot, identity));
  }

  /** Adopts the machine of a holder that died, see {@link adoptMember}. */
  adopt(orphan: OrphanedMachine, prepare: () => Promise<Prepared>, options: Options): Promise<void> {
    const underWay = bootOf(this.phases.now);
    if (underWay) return underWay.done;
    return this.#begin(new Boot(this, options, true), (boot) => adoptMember(boot, orphan, prepare));
  }

  #begin(boot: Boot, work: (boot: Boot) => Promise<void>): Promise<void> {
    this.#details = [];
    return boot.done = work(boot);
  }

  /** Listens to a machine until its end. */
  watch(run: MachineRun): void {
    run.defer(run.machine.onEvent((event) => this.#onEvent(run, event)));
    void run.machine.exited.then((exit) => this.#onExit(run, exit));
  }

  #onEvent(run: MachineRun, event: MachineEvent): void {
    if (event.kind === "ioError" && event.stopped) {
      this.pauses.afterDiskError(event.nospace ? "disk-full" : "disk-error", event.message);
    } else if (event.kind === "resumed") this.pauses.resumed();
    else if (event.kind === "reset") {
      log(`${this.name}: the guest restarted itself`);
      run.resets++;
      void this.context.faults().lost(this.name, IN_GUEST, "it restarted itself");
    }
  }

  async #onExit(run: MachineRun, exit: MachineExit): Promise<void> {
    this.pauses.end();
    const before = this.phases.now;
    if (this.#run !== run) return;
    log(`${this.name}: ${exit.message}`);
    const boot = bootOf(before);
    if (boot) {
      boot.exit = exit;
      boot.abort.abort(new FleetboxError("failed", exit.message));
    }
    if (boot || before.kind === "stopping") return; // the boot or the stop releases it
    await run[Symbol.asyncDispose]();
    if (this.phases.now !== before) return;
    if (exit.how === "shutdown") {
      this.phases.to({ kind: "stopped" });
      return this.context.onPowerOff(this);
    }
    const failure = new FleetboxError("failed", `The machine of "${this.name}" ended: ${exit.message}`, {
      cause: lastLines(this, run.logStart),
      hint: `Start it again: fleetbox up ${this.name}`,
    });
    this.phases.to({ kind: "failed", failure: toWireError(failure) });
  }

  /**
   * Stops the member and returns when its machine is gone. A second call during a stop waits for it, and with `force`
   * shortens it.
   * @throws {FleetboxError} `conflict`: the machine does not answer, and its end was not forced; then it is left as it
   * was.
   */
  stop(request: StopRequest): Promise<void> {
    if (request.cut) return this.#cut(request.cut);
    const { now } = this.phases;
    if (now.kind === "stopping") {
      if (request.force) now.stop.hurry.abort();
      return now.stop.done;
    }
    const stop: Stop = { hurry: new AbortController(), done: Promise.resolve() };
    if (request.force) stop.hurry.abort();
    this.phases.to({ kind: "stopping", stop, from: now });
    return stop.done = this.#end(request, stop.hurry.signal);
  }

  async #end({ force, graceMs }: StopRequest, hurry: AbortSignal): Promise<void> {
    this.pauses.end();
    const boot = bootOf(this.#beforeStop);
    if (boot) {
      boot.abort.abort(new FleetboxError("conflict", `"${this.name}" is being stopped`));
      await boot.done.catch(() => {});
    }
    const before = this.#beforeStop; // the boot may have just started a machine
    const run = runOf(before);
    try {
      if (before.kind === "orphaned") await endOrphan(this.name, this.paths, before.process, force);
      if (run) {
        const ask = !boot || run.isAdopted;
        await stopRun(this.name, run, { graceMs, hurry, ask, onStep: (step) => this.tell(step) });
      }
    } catch (thrown) {
      const failure = toWireError(thrown);
      if (before.kind === "orphaned") this.phases.to({ kind: "orphaned", process: before.process, failure });
      else this.phases.to({ kind: "failed", failure, run });
      throw thrown;
    }
    this.console.end();
    this.phases.to({ kind: "stopped" });
  }

  /** Ends the machine as a power cut does. */
  async #cut({ loss, onLost }: PowerCut): Promise<void> {
    while (isBeingAdopted(this.phases.now)) await this.phases.changed();
    const { cutPower, machineToCut } = await import("../power_cut/power_cut.ts"); // few members are cut
    await this.context.inTurn(async () => {
      const run = await machineToCut(this);
      const { now } = this.phases;
      if (now.kind !== "running" && now.kind !== "paused") return; // it has just ended by itself, or is being stopped
      const done = Promise.withResolvers<void>();
      done.promise.catch(() => {});
      this.pauses.end();
      this.phases.to({ kind: "stopping", stop: { hurry: new AbortController(), done: done.promise }, from: now });
      try {
        const lost = await cutPower(this, run, loss);
        this.console.end();
        this.phases.to({ kind: "stopped" });
        done.resolve();
        await onLost(lost);
      } catch (thrown) {
        const isGone = (await run.machine.state()).kind === "gone";
        this.phases.to({ kind: "failed", failure: toWireError(thrown), ...(isGone ? {} : { run }) });
        done.reject(thrown);
        throw thrown;
      }
    });
  }

  /** The member's phase before the running stop. */
  get #beforeStop(): Exclude<Phase, { kind: "stopping" }> {
    const { now } = this.phases;
    return now.kind === "stopping" ? now.from : now;
  }

  /**
   * Changes an existing member, with or without a machine: ports, egress, access to the host. They are kept. Runs the scripts that
   * have not run in it.
   */
  async change({ egress, host_access, publish = [], run = [] }: Options): Promise<void> {
    if (egress !== undefined || host_access !== undefined) {
      await changeUse(this, { egress, host_access });
      this.context.onChange(this);
    }
    for (const wish of publish) await this.forward(wish);
    if (run.length > 0) await runGiven(this, run, new AbortController().signal);
  }

  /** Returns when a running member's SSH port is open: a gateway that has died is waited for. */
  async reachable(): Promise<void> {
    if (this.#endpoint) await this.context.network.reachable(this.name, this.config!.ip);
  }

  /** Makes a host port lead to one of this member's, see {@link MemberPorts.forward}. */
  async forward(wish: ForwardWish): Promise<PortForward> {
    const made = await this.ports.forward(wish, () => this.#run && this.config?.ip);
    this.context.onChange(this);
    return made;
  }

  /** Removes a host port. @throws {FleetboxError} `not-found`: it does not lead here. */
  async unforward(end: HostEnd): Promise<PortForward> {
    const gone = await this.ports.unforward(end);
    this.context.onChange(this);
    return gone;
  }

  /**
   * @throws {FleetboxError} `conflict`: there is no console, because there is no machine, and none is being started.
   */
  checkConsole(): void {
    if (this.console.isConnected || isActive(this.state)) return;
    throw new FleetboxError("conflict", `"${this.name}" has no console: it is ${this.state}`, {
      hint: `Boot it: fleetbox up ${this.name}; or read its log: fleetbox logs ${this.name}`,
    });
  }

  /**
   * Gives a client the console until it leaves or the machine is gone; a starting member has one as soon as its machine
   * runs. Closes nothing.
   */
  async attachConsole(client: Deno.UnixConn): Promise<void> {
    await this.console.attach(client, (replay) => new TextEncoder().encode(encodeLine({ event: "console", replay })));
  }

  /** Reports a step of the boot or the stop. */
  tell(message: string, command?: string[]): void {
    const detail: Detail = { event: "detail", name: this.name, message, ...(command && { command }) };
    this.#details.push(detail);
    this.context.onDetail(detail);
  }

  /** Reports a step of a save, which is of no interest later. */
  tellOnce(message: string): void {
    this.context.onDetail({ event: "detail", name: this.name, message });
  }

  /** {@link report}, and whether its hypervisor answers when asked. */
  async askedReport(): Promise<MemberReport> {
    const answers = await this.#run?.machine.answers(ANSWER_MS) ?? true;
    return { ...this.report(), ...(answers ? {} : { not_answering: true }) };
  }

  /** The full report: that of {@link askedReport}, and the hypervisor's command line. */
  async fullReport(): Promise<MemberReport> {
    const report = await this.askedReport();
    const command = this.#run?.command;
    return { ...report, ...(command && { command }) };
  }

  report(): MemberReport {
    return memberReport(this, this.#endpoint);
  }
}

function orphanOf(phase: Phase): ProcessIdentity | undefined {
  if (phase.kind === "stopping") return orphanOf(phase.from);
  return phase.kind === "orphaned" ? phase.process : undefined;
}
