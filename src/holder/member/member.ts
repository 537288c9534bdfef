/**
 * One member in its holder: from its config to a machine that answers, and back down.
 *
 * It owns its state, its machine and its cable, and nobody else changes them. A boot is one function from top to bottom;
 * whatever ends it (a failure, its limit, a stop) goes through the same way out: machine killed, cable unplugged, cause
 * kept. Which members there are, and when the group ends, is the group's business (`group.ts`).
 */

import { FleetboxError, messageOf, toWireError, type WireError } from "../../core/errors.ts";
import { dropForward, madeForward, portProblem, reserveForwards } from "../../store/forwards.ts";
import { untilCloudInit } from "../../guest/cloud_init.ts";
import { Countdown } from "../../core/deadline.ts";
import { DEFAULTS, type ForwardWish, type Options, type PortForward } from "../../core/options.ts";
import { isAlive, type ProcessIdentity } from "../../system/process.ts";
import { type MemberConfig, type MemberPaths, removeIfThere, type Store } from "../../store.ts";
import type { Driver, Machine, MachineEvent, MachineExit, MachineSpec, Rung } from "../../vmm/contract.ts";
import { type Detail, encodeLine, type MemberReport, type SshEndpoint, type Stage } from "../../wire.ts";
import type { FetchProgress } from "../../image/fetch.ts";
import { BootLines, consoleSize, consoleTail } from "../console/console.ts";
import { endProcesses } from "../group/end_processes.ts";
import type { HypervisorHost } from "../host.ts";
import { describe, log } from "../log.ts";
import type { GroupNetwork } from "../network/group_network.ts";
import { machineSpec, type Prepared, prepareMember } from "./prepare.ts";
import { untilSsh } from "./ready.ts";
import { SharedConsole } from "../console/shared_console.ts";
import { Resumer } from "./disk_full_resume.ts";
import { isActive, MemberState } from "./states.ts";

/** What a member needs of its group. */
export interface MemberContext {
  store: Store;
  group: string;
  groupId: string;
  bound: boolean;
  driver: Driver;
  host: HypervisorHost;
  network: GroupNetwork;
  /** Claims the member's pidfile once its directory is there. */
  writePid(name: string): Promise<void>;
  /** A step, for who wants to know each. */
  onDetail(detail: Detail): void;
  /** Something that `report()` tells has changed. */
  onChange(member: Member): void;
  /** The guest powered itself off: the member leaves the group. */
  onPowerOff(member: Member): void;
}

export interface StopRequest {
  /** Ends the machine without asking its guest. */
  force: boolean;
  graceMs: number;
}

/** How long a guest of which nobody knows whether it has cloud-init may keep us out before we take it that it has none. */
const STRANGER_MS = 20_000;

/** How long a hypervisor may take to answer before it is told to be silent. */
const ANSWER_MS = 500;

/** How often the progress of a download is told. */
const DOWNLOAD_EVERY_MS = 1_000;

interface BootKind {
  /** The machine runs already, of a holder that died. */
  isAdoption?: boolean;
  /** It has answered already. */
  isUp?: boolean;
  /** Since when it is running, if that is known. */
  since?: Date;
}

/** What each step of a stop is. */
const RUNGS: Record<Rung, string> = {
  acpi: "its power button is pressed; its guest shuts down",
  quit: "its hypervisor is told to quit",
  kill: "its hypervisor is killed",
};

const OWN_END = "stopped by us";

export class Member {
  readonly state: MemberState;
  readonly paths: MemberPaths;
  config: MemberConfig | undefined;
  /** Whether the latest boot made the member: a failed first boot removes what it made. */
  created = false;
  #machine: Machine | undefined;
  /** A machine that an earlier holder left and that does not answer: reported, and killed only by force. */
  #silent: ProcessIdentity | undefined;
  #ssh: SshEndpoint | undefined;
  /** The boot under way: aborted by a stop. */
  #boot: { abort: AbortController; done: Promise<void> } | undefined;
  #stop: { hurry: AbortController; done: Promise<void> } | undefined;
  /** Where this boot's lines begin in the console's log. */
  #logStart = 0;
  #unlisten = () => {};
  readonly #console: SharedConsole;
  #forwards: readonly PortForward[] = [];
  /** How far the image's download is, while there is one. */
  #download: MemberReport["download"];
  #downloadToldMs = 0;
  #nudges = new Set<() => void>();
  #cloudInitNudges = new Set<() => void>();
  /** Whether the guest runs cloud-init: by its image, or since its console says so. */
  #hasCloudInit: boolean | undefined;
  /** Why the latest try to ask the guest failed. */
  #denied = "";
  /** The steps of the latest boot. */
  #details: Detail[] = [];
  #command: string[] | undefined;
  /** What is wrong with the guest although it runs. */
  #problem: WireError | undefined;
  /** Why the machine stands, while it does, and the stage that it stopped in. */
  #pause: { failure: WireError; stage: Stage | undefined } | undefined;
  readonly #resumer: Resumer;

  constructor(readonly name: string, private readonly context: MemberContext) {
    this.paths = context.store.member(name);
    this.#resumer = new Resumer({
      dir: this.paths.dir,
      name,
      resume: async () => await this.#machine?.resume(),
    });
    this.state = new MemberState(() => context.onChange(this));
    this.#console = new SharedConsole(this.paths.serialLog);
  }

  /** The hypervisor's process, while there is one. */
  get process(): ProcessIdentity | undefined {
    return this.#machine?.process ?? this.#silent;
  }
  get sshPort(): number | undefined {
    return this.#endpoint?.port;
  }
  /** A machine that runs although its member failed: an earlier holder's, or one of which not all could be taken over. */
  get stray(): ProcessIdentity | undefined {
    return this.#boot ? undefined : this.process;
  }
  /** Where its SSH server is reached: a gateway that was started again may have had to take another port. */
  get #endpoint(): SshEndpoint | undefined {
    if (!this.#ssh || !this.config) return undefined;
    return { ...this.#ssh, port: this.context.network.knownSshPort(this.config.ip) ?? this.#ssh.port };
  }
  get isStopping(): boolean {
    return this.#stop !== undefined;
  }

  /**
   * Boots the member at an address; returns when it runs. While one boot is under way, a second call waits for it.
   * @throws the cause, when it does not come up; the state is `error` then, or `stopped` when it was stopped meanwhile.
   */
  boot(ip: string, options: Options): Promise<void> {
    return this.#begin(options, async (signal, limit) => {
      this.state.to("starting", "image");
      const { arch } = this.context.store.config(this.name) ?? options;
      if (arch) this.context.host.binaryFor(arch); // before anything is downloaded for it
      const prepared = await prepareMember({
        store: this.context.store,
        name: this.name,
        options,
        ip,
        group: this.context.groupId,
        signal,
        onDownload: (progress) => this.#onDownload(progress, limit),
        onStage: (stage) => {
          this.#endDownload(limit);
          this.state.at(stage);
        },
        onCreate: () => this.created = true,
      });
      this.config = prepared.config;
      this.#hasCloudInit = prepared.image.cloudInit;
      // Both are waited for, whichever fails: nothing may be under way any more when the boot has ended.
      const [spec, written] = await Promise.allSettled([this.#spec(prepared), this.context.writePid(this.name)]);
      signal.throwIfAborted();
      if (spec.status === "rejected") throw spec.reason;
      if (written.status === "rejected") throw written.reason;
      this.#detail(
        `its image is ${prepared.image.id}, its disk ${prepared.created ? "new" : "kept"}: ${this.paths.disk}`,
      );
      this.#command = this.context.driver.commandLine(spec.value);
      this.#detail("its hypervisor's command line", this.#command);
      this.state.at("boot");
      return await this.context.driver.start(spec.value, signal);
    });
  }

  /**
   * Takes over the machine of a holder that died. `wasRunning`: it had answered before, `since` then. Whatever fails on the way, the
   * machine is left as it is: only a stop ends it.
   */
  adopt(
    process: ProcessIdentity,
    prepare: () => Promise<Prepared>,
    wasRunning: boolean,
    options: Options,
    since?: string,
  ): Promise<void> {
    return this.#begin(options, async () => {
      if (!this.#machine) this.#silent = process; // until it answers: whatever fails before, it is known to run
      const prepared = await prepare();
      this.config = prepared.config;
      this.#hasCloudInit = prepared.image.cloudInit;
      const spec = await this.#spec(prepared);
      // An earlier try may have come as far as the machine, and failed later.
      const machine = this.#machine ?? await this.#takeOver(spec, process);
      await this.context.writePid(this.name);
      this.state.to("starting", "ssh");
      return machine;
    }, { isAdoption: true, isUp: wasRunning, since: since === undefined ? undefined : new Date(since) });
  }

  /** The image comes: that is `downloading`, and takes nothing from the boot's time. Told every second. */
  #onDownload({ bytes, total, rate }: FetchProgress, limit: Countdown): void {
    if (this.state.state !== "starting" && this.state.state !== "downloading") return;
    limit.pause();
    const isNew = this.#download === undefined;
    this.#download = { bytes, ...(total === undefined ? {} : { total }), rate };
    if (isNew) return this.state.to("downloading", "image");
    const now = performance.now();
    if (now - this.#downloadToldMs < DOWNLOAD_EVERY_MS) return;
    this.#downloadToldMs = now;
    this.context.onChange(this);
  }

  #endDownload(limit: Countdown): void {
    this.#download = undefined;
    limit.resume();
    if (this.state.state === "downloading") this.state.to("starting", "image");
  }

  async #takeOver(spec: MachineSpec, process: ProcessIdentity): Promise<Machine> {
    try {
      const machine = await this.context.driver.adopt(spec, process);
      this.#silent = undefined;
      return machine;
    } catch (cause) {
      if (!isAlive(process)) this.#silent = undefined;
      throw new FleetboxError(
        "failed",
        `The machine of "${this.name}" runs (process ${process.pid}), but does not answer`,
        {
          cause,
          hint: `Try again (fleetbox up ${this.name}), or end it without asking it: fleetbox stop --force ${this.name}`,
        },
      );
    }
  }

  async #spec({ config, image }: Prepared): Promise<MachineSpec> {
    const { bound, host, driver } = this.context;
    const { binary, accelerator } = await host.choice(image.arch);
    const spec = machineSpec(this.paths, config, image, { binary, accelerator: accelerator.accelerator, bound });
    driver.check(spec);
    return spec;
  }

  #begin(
    options: Options,
    launch: (signal: AbortSignal, limit: Countdown) => Promise<Machine>,
    how: BootKind = {},
  ): Promise<void> {
    if (this.#boot) return this.#boot.done;
    if (this.#machine && !how.isAdoption) {
      return Promise.reject(
        new FleetboxError("conflict", `Cannot boot "${this.name}": its machine runs, and was not taken over`, {
          hint: `Stop it first: fleetbox stop ${this.name}`,
        }),
      );
    }
    const abort = new AbortController();
    const done = this.#bootMachine(options, launch, how, abort).finally(() => this.#boot = undefined);
    this.#boot = { abort, done };
    return done;
  }

  async #bootMachine(
    options: Options,
    launch: (signal: AbortSignal, limit: Countdown) => Promise<Machine>,
    { isAdoption = false, isUp = false, since }: BootKind,
    abort: AbortController,
  ): Promise<void> {
    const limitMs = options.boot_timeout_ms ?? DEFAULTS.bootTimeoutMs;
    const limit = new Countdown(limitMs, () => abort.abort(this.#tooLate(limitMs)));
    this.#logStart = consoleSize(this.paths.serialLog);
    this.#denied = "";
    this.#details = [];
    this.#problem = undefined;
    let exit: MachineExit | undefined;
    try {
      const machine = await launch(abort.signal, limit);
      this.#machine = machine;
      this.#unlisten();
      this.#unlisten = machine.onEvent((event) => this.#onMachineEvent(event));
      void machine.exited.then((how) => {
        exit = how;
        abort.abort(new FleetboxError("failed", how.message));
        this.#onExit(machine, how);
      });
      this.#detail(`process ${machine.process.pid} runs it`);
      this.context.onChange(this);
      abort.signal.throwIfAborted();
      if (isAdoption) await this.#seeWhetherItStands(machine);
      await this.#connect(abort.signal, { isAdoption, isUp });
      this.#problem = isUp || options.ready === "ssh" ? undefined : await this.#cloudInitEnd(abort.signal);
      this.#detail(`it answers at ${this.config!.ip}, on this host at 127.0.0.1 port ${this.#ssh!.port}`);
      const pause = this.#pause;
      if (pause) pause.stage = "ready";
      this.state.to("running", pause ? "paused" : "ready", pause?.failure ?? this.#problem, since);
      log(`${this.name}: running at ${this.config!.ip}, SSH on 127.0.0.1:${this.#ssh!.port}`);
    } catch (thrown) {
      const died = exit;
      const isStopped = (thrown === OWN_END || abort.signal.reason === OWN_END) && !this.#silent;
      // A machine that was taken over is not ours to kill because something went wrong here; a stop asks its guest.
      if (!isAdoption || died) await this.#release();
      else if (!this.#console.isConnected) this.#console.end();
      // The way out ends the machine, too: an orderly end that comes only now is ours, and no cause.
      if (!died && (exit?.how === "quit" || exit?.how === "killed")) exit = undefined;
      if (isStopped) {
        if (!this.#machine && this.state.state !== "stopped") this.state.to("stopped");
        throw new FleetboxError("conflict", `"${this.name}" was stopped while it was booting`);
      }
      const cause = this.#bootFailure(thrown, exit);
      log(`${this.name}: did not come up: ${describe(cause)}`);
      if (this.state.state !== "error") this.state.fail(cause);
      throw cause;
    } finally {
      limit.end();
      this.#download = undefined;
    }
  }

  /** Cable, console, forwarded port; then the wait for its SSH server. */
  async #connect(signal: AbortSignal, { isAdoption = false, isUp = false }: BootKind): Promise<void> {
    const { network } = this.context;
    const { ip, mac, user } = this.config!;
    network.onActivity(this.name, () => {
      this.#advance("network");
      for (const nudge of [...this.#nudges]) nudge();
    });
    const [, , port] = await Promise.all([
      network.plug({ name: this.name, mac, ip, netSocket: this.paths.netSocket }),
      this.#connectConsole(),
      unlessAborted(network.sshPort(ip), signal),
      unlessAborted(this.#publish(isAdoption), signal),
    ]);
    this.#ssh = { host: "127.0.0.1", port, user };
    if (isUp) return;
    await untilSsh(this.#ssh, {
      signal,
      onNudge: (nudge) => {
        this.#nudges.add(nudge);
        return () => void this.#nudges.delete(nudge);
      },
    });
  }

  /** Opens the host ports that lead here. A machine that runs already does not go down because one is taken. */
  async #publish(isAdoption: boolean): Promise<void> {
    const { network, store } = this.context;
    this.#forwards = store.config(this.name)?.forwards ?? [];
    await Promise.all(this.#forwards.map(async (forward) => {
      const { host_port: hostPort, guest_port: port } = forward;
      const wanted = { ip: this.config!.ip, port, hostPort };
      if (isAdoption) return await network.publishAgain(wanted);
      try {
        await network.publish(wanted);
      } catch (cause) {
        throw isConflict(cause) ? portProblem(store, this.name, forward, cause) : cause;
      }
    }));
  }

  /**
   * Makes a host port lead to one of this member's, from now on; one that is there already is given.
   * @throws {FleetboxError} `conflict`: the port is taken, or the member is only just being made.
   */
  async forward(wish: ForwardWish): Promise<PortForward> {
    const { network, store } = this.context;
    return await store.withMemberLock(this.name, async () => {
      const before = this.#existing();
      const after = await reserveForwards(store, before, [wish]);
      const made = madeForward(after.forwards!, wish)!;
      // One whose machine is not there yet opens what stands in its config then.
      if (this.#machine && this.config) {
        try {
          await network.publish({ ip: this.config.ip, port: made.guest_port, hostPort: made.host_port });
        } catch (cause) {
          if (after !== before) await store.writeConfig(before);
          throw isConflict(cause) ? portProblem(store, this.name, made, cause) : cause;
        }
      }
      this.#forwards = after.forwards!;
      this.context.onChange(this);
      return made;
    });
  }

  /** Takes a host port away. @throws {FleetboxError} `not-found`: it does not lead here. */
  async unforward(hostPort: number): Promise<PortForward> {
    const { network, store } = this.context;
    return await store.withMemberLock(this.name, async () => {
      this.#existing();
      const gone = await dropForward(store, this.name, hostPort);
      await network.unpublish(hostPort);
      this.#forwards = store.config(this.name)?.forwards ?? [];
      this.context.onChange(this);
      return gone;
    });
  }

  #existing(): MemberConfig {
    const config = this.context.store.config(this.name);
    if (config) return config;
    throw new FleetboxError("conflict", `"${this.name}" is just being made: it has no ports yet`, {
      hint: `Wait for it: fleetbox wait ${this.name}`,
    });
  }

  async #connectConsole(): Promise<void> {
    const lines = new BootLines({
      onStage: (stage) => {
        this.#advance(stage);
        if (stage === "ssh") { for (const nudge of [...this.#nudges]) nudge(); }
      },
      onCloudInit: (what) => {
        this.#hasCloudInit = true;
        if (what === "finished") { for (const nudge of [...this.#cloudInitNudges]) nudge(); }
      },
    });
    await this.#console.connect(this.paths.consoleSocket, (bytes) => lines.push(bytes));
  }

  /** @throws {FleetboxError} `conflict`: there is no console, for there is no machine, and none is being started. */
  checkConsole(): void {
    if (this.#console.isConnected || isActive(this.state.state)) return;
    throw new FleetboxError("conflict", `"${this.name}" has no console: it is ${this.state.state}`, {
      hint: `Boot it: fleetbox up ${this.name}; or read what it said: fleetbox logs ${this.name}`,
    });
  }

  /**
   * Gives a client the console until it leaves or the machine is gone; a member that is just being started has one as
   * soon as its machine runs. Closes nothing.
   */
  async attachConsole(client: Deno.UnixConn): Promise<void> {
    await this.#console.attach(client, (replay) => new TextEncoder().encode(encodeLine({ event: "console", replay })));
  }

  /** Waits until cloud-init has finished, where there is one. @returns what of it failed. */
  async #cloudInitEnd(signal: AbortSignal): Promise<WireError | undefined> {
    if (this.#hasCloudInit === false) return undefined;
    this.#advance("cloud-init");
    const since = performance.now();
    const result = await untilCloudInit(this.#ssh!, {
      key: this.context.store.key,
      signal,
      onNudge: (nudge) => {
        this.#cloudInitNudges.add(nudge);
        return () => void this.#cloudInitNudges.delete(nudge);
      },
      onDenied: (message) => {
        this.#denied = message;
        return this.#hasCloudInit === undefined && performance.now() - since > STRANGER_MS;
      },
    });
    if (result.kind === "absent" || result.errors.length === 0) return undefined;
    log(`${this.name}: cloud-init failed: ${result.errors.join("; ")}`);
    return {
      code: "failed",
      message: `"${this.name}" runs, but cloud-init failed in it: ${result.errors.join("; ")}`,
      causes: [],
      hint: `See what it said: fleetbox ssh ${this.name} -- sudo cat /var/log/cloud-init-output.log`,
    };
  }

  /** The stages only ever go forward within one boot. */
  #advance(stage: Stage): void {
    const order: Stage[] = ["image", "disk", "boot", "kernel", "network", "ssh", "cloud-init"];
    if (this.state.state !== "starting" || this.#pause) return;
    if (order.indexOf(stage) > order.indexOf(this.state.stage!)) this.state.at(stage);
  }

  #tooLate(limitMs: number): FleetboxError {
    const stage = this.state.stage;
    if (this.#pause) {
      const { message, hint } = this.#pause.failure;
      return new FleetboxError("timeout", `"${this.name}" did not come up within ${limitMs / 1000} s: ${message}`, {
        hint,
      });
    }
    if (stage === "cloud-init") {
      const denied = this.#denied === "" ? "" : `; SSH let nobody in: ${this.#denied}`;
      return new FleetboxError(
        "timeout",
        `"${this.name}" answers on its SSH port, but its cloud-init did not finish within ${limitMs / 1000} s${denied}`,
        { hint: "Give it longer with --timeout, or do not wait for it: --ready ssh" },
      );
    }
    return new FleetboxError(
      "timeout",
      `"${this.name}" did not answer on its SSH port within ${limitMs / 1000} s; it came as far as ${stage}`,
      { hint: `Give it longer with --timeout, or look at what it says: fleetbox logs ${this.name}` },
    );
  }

  /** The last lines of this boot's console, as a cause. */
  #lastWords(): Error | undefined {
    const lines = consoleTail(this.paths.serialLog, this.#logStart);
    return lines.length === 0 ? undefined : new Error(`the last lines of its console:\n${lines.join("\n")}`);
  }

  #bootFailure(thrown: unknown, exit: MachineExit | undefined): FleetboxError {
    const tail = this.#lastWords();
    const late = thrown instanceof FleetboxError && thrown.code === "timeout";
    if (late) return new FleetboxError("timeout", thrown.message, { cause: tail, hint: thrown.hint });
    const why = exit ? new Error(`its machine ended: ${exit.message}`, { cause: tail }) : thrown;
    const wire = toWireError(exit ? new FleetboxError("failed", "") : thrown);
    return new FleetboxError(wire.code, `Cannot boot "${this.name}": ${messageOf(why)}`, {
      cause: why instanceof Error ? why.cause ?? tail : tail,
      hint: wire.hint,
    });
  }

  #onMachineEvent(event: MachineEvent): void {
    if (event.kind === "ioError" && event.stopped) this.#stands(event.nospace, event.message);
    else if (event.kind === "resumed") this.#goesOn();
    else if (event.kind === "reset") log(`${this.name}: the guest restarted itself`);
  }

  /** The machine stands because its disk failed. With a full one it goes on by itself when there is room again. */
  #stands(isFull: boolean, what: string): void {
    const { disk, dir } = this.paths;
    const message = `paused: ${isFull ? "disk full" : "disk error"}: ${what} (${disk})`;
    if (this.#pause?.failure.message !== message) log(`${this.name}: ${message}`);
    this.#pause = {
      failure: {
        code: isFull ? "no-space" : "failed",
        message,
        causes: [],
        hint: isFull
          ? `Free some space on the file system of ${dir}: the machine goes on by itself then, and nothing is lost.`
          : undefined,
      },
      stage: this.#pause?.stage ?? this.state.stage,
    };
    if (this.#stop) return;
    if (isFull) this.#resumer.begin();
    this.state.at("paused", this.#pause.failure);
  }

  #goesOn(): void {
    const pause = this.#pause;
    this.#pause = undefined;
    this.#resumer.end();
    if (pause && this.state.stage === "paused") this.state.at(pause.stage, this.#problem);
  }

  /** The event that told of it was another holder's. */
  async #seeWhetherItStands(machine: Machine): Promise<void> {
    const state = await machine.state().catch((thrown) => log(`${this.name}: cannot ask it: ${describe(thrown)}`));
    if (state?.kind === "io-error") {
      this.#stands(state.detail === "nospace", "a write failed before its holder was killed");
    }
  }

  #onExit(machine: Machine, exit: MachineExit): void {
    if (this.#machine !== machine) return;
    log(`${this.name}: ${exit.message}`);
    if (this.#stop || this.#boot) return; // whoever is at work on it sees the end
    void this.#release().then(() => {
      if (exit.how === "shutdown") {
        this.state.to("stopped");
        this.context.onPowerOff(this);
        return;
      }
      this.state.fail(
        new FleetboxError("failed", `The machine of "${this.name}" ended: ${exit.message}`, {
          cause: this.#lastWords(),
          hint: `Start it again: fleetbox up ${this.name}`,
        }),
      );
    });
  }

  /**
   * Stops the member and returns when its machine is gone; the state is `stopped`. A second call while one is under way
   * waits for it, and with `force` makes it hurry.
   */
  stop(request: StopRequest): Promise<void> {
    if (this.#stop) {
      if (request.force) this.#stop.hurry.abort();
      return this.#stop.done;
    }
    const hurry = new AbortController();
    if (request.force) hurry.abort();
    const done = this.#stopMachine(request, hurry.signal).finally(() => this.#stop = undefined);
    this.#stop = { hurry, done };
    return done;
  }

  async #stopMachine({ graceMs, force }: StopRequest, hurry: AbortSignal): Promise<void> {
    this.#resumer.end();
    if (this.#boot) {
      this.#boot.abort.abort(OWN_END);
      await this.#boot.done.catch(() => {});
    }
    if (this.#silent) await this.#endSilent(this.#silent, force); // it may be what the boot has just found out
    const machine = this.#machine;
    if (machine) {
      if (isActive(this.state.state)) this.state.at("stopping");
      const exit = hurry.aborted ? await machine.kill() : await machine.stop({
        graceMs,
        signal: hurry,
        onRung: (rung) => {
          log(`${this.name}: stopping: ${rung}`);
          this.#detail(RUNGS[rung]);
        },
      });
      log(`${this.name}: stopped: ${exit.message}`);
    }
    await this.#release();
    if (this.state.state !== "stopped") this.state.to("stopped");
  }

  async #endSilent(process: ProcessIdentity, force: boolean): Promise<void> {
    if (!force && isAlive(process)) {
      throw new FleetboxError(
        "conflict",
        `Cannot stop "${this.name}": its machine (process ${process.pid}) does not answer`,
        {
          hint: `End it, without asking it: fleetbox stop --force ${this.name}`,
        },
      );
    }
    await endProcesses([process], `The machine of "${this.name}"`);
    for (const socket of [this.paths.qmpSocket, this.paths.netSocket, this.paths.consoleSocket]) removeIfThere(socket);
    this.#silent = undefined;
  }

  /** Lets go of everything that a boot acquired; kills a machine that is still there. */
  async #release(): Promise<void> {
    const machine = this.#machine;
    this.#machine = undefined;
    this.#ssh = undefined;
    this.#pause = undefined;
    this.#resumer.end();
    this.context.network.onActivity(this.name, undefined);
    await machine?.kill();
    this.#console.end();
    this.context.network.unplug(this.name);
  }

  /** The steps of the latest boot, so far. */
  get details(): readonly Detail[] {
    return this.#details;
  }

  #detail(message: string, command?: string[]): void {
    const detail: Detail = { event: "detail", name: this.name, message, ...(command && { command }) };
    this.#details.push(detail);
    this.context.onDetail(detail);
  }

  /** {@link report}, and whether its hypervisor answers: it is asked. */
  async askedReport(): Promise<MemberReport> {
    const answers = await this.#machine?.answers(ANSWER_MS) ?? true;
    return { ...this.report(), ...(answers ? {} : { not_answering: true }) };
  }

  /** All that can be told of it: what {@link askedReport} tells, and the hypervisor's command line. */
  async fullReport(): Promise<MemberReport> {
    return { ...await this.askedReport(), ...(this.#machine && this.#command && { command: this.#command }) };
  }

  report(): MemberReport {
    const { state, stage, since, failure } = this.state;
    const { config } = this;
    const report: MemberReport = {
      name: this.name,
      pid: Deno.pid,
      running: isActive(state),
      ip: isActive(state) ? config?.ip ?? "" : "",
      state,
      since: since.toISOString(),
      group: this.context.group,
      cpus: config?.cpus ?? 0,
      memory_mb: config?.memory_mb ?? 0,
      image: config?.image ?? "",
    };
    if (this.context.bound) report.bound = true;
    if (stage && stage !== "ready") report.stage = stage;
    if (this.#download && state === "downloading") report.download = this.#download;
    if (failure) {
      report.error = [failure.message, ...failure.causes].join("\n");
      report.failure = failure;
    }
    const ssh = this.#endpoint;
    if (ssh && (state === "running" || stage === "cloud-init")) report.ssh = ssh;
    if (this.#machine) report.hypervisor_pid = this.#machine.process.pid;
    if (this.#forwards.length > 0) {
      report.forwards = this.#forwards.map((one) => ({ ...one, ...this.context.network.published(one.host_port) }));
    }
    const network = this.context.network.counters(this.name);
    if (network) report.network = network;
    return report;
  }
}

function isConflict(thrown: unknown): boolean {
  return thrown instanceof FleetboxError && thrown.code === "conflict";
}

/** A promise's outcome, or the signal's reason when that fires first. */
async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  signal.addEventListener("abort", abort);
  try {
    signal.throwIfAborted();
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
