/**
 * The boot of a member, from its config to a guest that answers, and the adoption of a machine, which is the second
 * half of a boot.
 *
 * The resources of a boot belong to the member's phase (`phases.ts`). A boot that ends early (by a failure, its limit,
 * a stop) goes through {@link endEarly}: the machine is killed and released, and the cause is kept. An adopted machine
 * runs on.
 */

import { Countdown, unlessAborted } from "../../core/deadline.ts";
import { FleetboxError, messageOf, toWireError, type WireError } from "../../core/errors.ts";
import { DEFAULTS, type Options } from "../../core/options.ts";
import { untilCloudInit } from "../../guest/cloud_init.ts";
import type { FetchProgress } from "../../image/fetch.ts";
import { isAlive, type ProcessIdentity } from "../../system/process.ts";
import type { Machine, MachineExit, MachineSpec } from "../../vmm/contract.ts";
import type { SshEndpoint, Stage } from "../../wire.ts";
import { BootLines, type BootListener, consoleTail } from "../console/console.ts";
import { readEnd, sizeOf } from "../../system/files.ts";
import { describe, log } from "../log.ts";
import { allowUse } from "./gateway_use.ts";
import { Hints } from "./hints.ts";
import type { MemberConfig } from "../../store.ts";
import type { Identity } from "./identity.ts";
import { goOn, stateLeft } from "./left_behind.ts";
import { MachineRun } from "./machine_run.ts";
import type { Member } from "./member.ts";
import { bootOf, runOf, wireState } from "./phases.ts";
import { machineSpec, type Prepared, prepareMember } from "./prepare.ts";
import { untilSsh } from "./ready.ts";

/** How long a guest without a sign of cloud-init may refuse our key before we conclude that it has none. */
const STRANGER_MS = 20_000;

/** How much console output from before the connection is examined. */
const EARLY_CONSOLE_BYTES = 64 * 1024;

/** How often a download's progress is reported. */
const DOWNLOAD_EVERY_MS = 1_000;

/** The stages, in order: within one boot they only go forward. A guest that is up does not repeat them. */
const STAGES: readonly Stage[] = ["image", "disk", "boot", "kernel", "network", "ssh", "cloud-init", "adoption"];

/** A running boot, and its facts about the guest. */
export class Boot {
  readonly abort = new AbortController();
  /** Resolved when the guest answers. @throws the cause, when it does not. */
  done!: Promise<void>;
  readonly limit: Countdown;
  /** Where its lines begin in the console's log. */
  readonly logStart: number;
  /** When to probe SSH; when to check cloud-init. */
  readonly sshHints = new Hints();
  readonly cloudInitHints = new Hints();
  /** Whether the guest runs cloud-init, by its image or its console. */
  hasCloudInit: boolean | undefined;
  /** Why the latest try to log in failed. */
  denied = "";
  /** The machine's end, if it came during the boot. */
  exit: MachineExit | undefined;

  constructor(readonly member: Member, readonly options: Options, readonly isAdoption: boolean) {
    const limitMs = options.boot_timeout_ms ?? DEFAULTS.bootTimeoutMs;
    this.limit = new Countdown(limitMs, () => this.abort.abort(tooLate(this, limitMs)));
    this.logStart = sizeOf(member.paths.serialLog);
  }

  get signal(): AbortSignal {
    return this.abort.signal;
  }
}

/** Boots a member as who it is on its network. @throws the cause, when it does not come up. */
export async function bootMember(boot: Boot, identity: Identity): Promise<void> {
  const { member, options, signal } = boot;
  const { context, name, phases } = member;
  try {
    phases.to({ kind: "preparing", boot, stage: "image" });
    const { arch } = context.store.config(name) ?? options;
    if (arch) context.host.find(arch); // before its download
    const prepared = await prepareMember({
      store: context.store,
      name,
      options,
      identity,
      group: context.groupId,
      signal,
      onDownload: downloadProgress(boot),
      onStage: (stage) => advance(boot, stage),
      onCreate: () => member.created = true,
    });
    member.config = prepared.config;
    boot.hasCloudInit = prepared.image.cloudInit;

    // Wait for both, even if one fails: a boot that has ended must have no pending work.
    const [spec, written] = await Promise.allSettled([specOf(member, prepared), context.writePid(name)]);
    signal.throwIfAborted();
    if (spec.status === "rejected") throw spec.reason;
    if (written.status === "rejected") throw written.reason;
    member.tell(`its image is ${prepared.image.id}, its disk ${prepared.created ? "new" : "kept"}: ${spec.value.disk}`);
    const command = context.driver.commandLine(spec.value);
    member.tell("its hypervisor's command line", command);
    advance(boot, "boot");

    const run = holdMachine(boot, await context.driver.start(spec.value, signal));
    run.command = command;
    run.ssh = await connect(boot);
    await untilSsh(run.ssh, { signal, onHint: (hint) => boot.sshHints.on(hint) });
    runs(boot, run, options.ready === "ssh" ? undefined : await cloudInitEnd(boot, run.ssh));
  } catch (thrown) {
    throw await endEarly(boot, thrown);
  } finally {
    boot.limit.end();
  }
}

/** The machine of a holder that died. */
export interface OrphanedMachine {
  process: ProcessIdentity;
  /** Its guest had answered before. */
  wasRunning: boolean;
  /** When it began to run, if known. */
  since?: Date;
}

/**
 * Adopts the machine of a holder that died. After a failure the machine is left as it is: only a stop ends it.
 * @throws the cause, when that fails
 */
export async function adoptMember(
  boot: Boot,
  { process, wasRunning, since }: OrphanedMachine,
  prepare: () => Promise<Prepared>,
): Promise<void> {
  const { member, options, signal } = boot;
  const { context, name, phases } = member;
  try {
    const before = runOf(phases.now); // an earlier try may have reached the machine, and failed later
    phases.to(before ? { kind: "booting", boot, stage: "boot", run: before } : { kind: "orphaned", process, boot });
    const prepared = await prepare();
    member.config = prepared.config;
    boot.hasCloudInit = prepared.image.cloudInit;
    const spec = await specOf(member, prepared);
    const machine = before?.machine ?? await adoptMachine(member, spec, process);
    const state = await stateLeft(member, machine);
    await context.writePid(name);
    const run = holdMachine(boot, machine, before);
    advance(boot, wasRunning ? "adoption" : "ssh");
    await goOn(member, machine, spec.disk, state);
    run.ssh = await connect(boot);
    if (!wasRunning) await untilSsh(run.ssh, { signal, onHint: (hint) => boot.sshHints.on(hint) });
    const problem = wasRunning || options.ready === "ssh" ? undefined : await cloudInitEnd(boot, run.ssh);
    runs(boot, run, problem, since);
  } catch (thrown) {
    throw await endEarly(boot, thrown);
  } finally {
    boot.limit.end();
  }
}

/** The driver's spec for a prepared member, checked. */
async function specOf({ context }: Member, { config, image }: Prepared): Promise<MachineSpec> {
  const { bound, host, driver } = context;
  const { binary, accelerator } = await host.choice(image.arch);
  const spec = machineSpec(context.store, config, image, { binary, accelerator: accelerator.accelerator, bound });
  driver.check(spec);
  return spec;
}

async function adoptMachine({ context, name }: Member, spec: MachineSpec, process: ProcessIdentity): Promise<Machine> {
  try {
    return await context.driver.adopt(spec, process);
  } catch (cause) {
    throw new FleetboxError("failed", `The machine of "${name}" runs (process ${process.pid}), but does not answer`, {
      cause,
      hint: `Try again (fleetbox up ${name}), or end it without asking it: fleetbox stop --force ${name}`,
    });
  }
}

/** From now on the phase owns the machine (or the stop that has just begun), with the resources released after it. */
function holdMachine(boot: Boot, machine: Machine, before?: MachineRun): MachineRun {
  const { member, signal, isAdoption } = boot;
  const { context: { network }, name, phases } = member;
  const run = before ?? new MachineRun(machine, isAdoption);
  run.logStart = boot.logStart;
  const booting = { kind: "booting", boot, stage: "boot", run } as const;
  phases.to(phases.now.kind === "stopping" ? { ...phases.now, from: booting } : booting);
  if (!before) {
    run.defer(() => network.unplug(name));
    run.defer(() => member.console.end());
    run.defer(() => network.onActivity(name, undefined));
    member.watch(run);
  }
  member.tell(`process ${machine.process.pid} runs it`);
  signal.throwIfAborted();
  return run;
}

/** Connects the link to the switch, the console and the ports. Returns the SSH endpoint. */
async function connect(boot: Boot): Promise<SshEndpoint> {
  const { member, signal } = boot;
  const { context: { network }, name, paths } = member;
  const { ip, mac, user } = member.config!;
  network.onActivity(name, () => {
    advance(boot, "network");
    boot.sshHints.give();
  });
  const listener: BootListener = {
    onStage: (stage) => {
      advance(boot, stage);
      if (stage === "ssh") boot.sshHints.give();
    },
    onCloudInit: (what) => {
      boot.hasCloudInit = true;
      if (what === "finished") boot.cloudInitHints.give();
    },
    onFirmware: (line) => {
      if (member.context.driver.saysNothingToBoot(line)) boot.abort.abort(nothingToBoot(member.config!));
    },
  };
  const lines = new BootLines(listener);
  // Its rules apply at once, before the first frame; only a gateway that must change is waited for.
  const allowed = allowUse(member);
  const [, , port] = await Promise.all([
    network.plug({ name, mac, ip, netSocket: paths.netSocket }),
    member.console.connect(paths.consoleSocket, (bytes) => lines.push(bytes)),
    unlessAborted(allowed.then(() => network.sshPort(ip)), signal),
    unlessAborted(allowed.then(() => member.ports.open(ip, boot.isAdoption)), signal),
  ]);
  // Earlier output is only in the log, and firmware may have given up by then. Reading a line twice does no harm.
  new BootLines(listener).push(readEnd(paths.serialLog, boot.logStart, EARLY_CONSOLE_BYTES));
  signal.throwIfAborted();
  return { host: "127.0.0.1", port, user };
}

/** The firmware has given up: waiting longer is useless. */
function nothingToBoot({ image, firmware }: MemberConfig): FleetboxError {
  return new FleetboxError(
    "damaged",
    `The image ${image} does not boot: its firmware found nothing to boot on the disk`,
    {
      hint: firmware === "uefi"
        ? "Is it an image for the BIOS? --firmware bios. Is it for another processor? --arch"
        : "Is it an image for UEFI? --firmware uefi. Is it for another processor? --arch",
    },
  );
}

/** Waits until cloud-init has finished, if there is one. @returns its failure. */
async function cloudInitEnd(boot: Boot, ssh: SshEndpoint): Promise<WireError | undefined> {
  if (boot.hasCloudInit === false) return undefined;
  const { member: { context, name }, signal } = boot;
  advance(boot, "cloud-init");
  const since = performance.now();
  const result = await untilCloudInit(ssh, {
    key: context.store.key,
    signal,
    onHint: (hint) => boot.cloudInitHints.on(hint),
    onDenied: (message) => {
      boot.denied = message;
      return boot.hasCloudInit === undefined && performance.now() - since > STRANGER_MS;
    },
  });
  if (result.kind === "absent" || result.errors.length === 0) return undefined;
  log(`${name}: cloud-init failed: ${result.errors.join("; ")}`);
  return {
    code: "failed",
    message: `"${name}" runs, but cloud-init failed in it: ${result.errors.join("; ")}`,
    causes: [],
    hint: `Read its log: fleetbox ssh ${name} -- sudo cat /var/log/cloud-init-output.log`,
  };
}

/** The guest answers. */
function runs({ member }: Boot, run: MachineRun, problem: WireError | undefined, since?: Date): void {
  const { phases, name } = member;
  const where = `${member.config!.ip}, SSH on 127.0.0.1:${run.ssh!.port}`;
  member.tell(`it answers at ${where}`);
  const running = { kind: "running", run, problem } as const;
  const { now } = phases;
  phases.to(now.kind === "paused" ? { ...now, from: running } : running, since);
  log(`${name}: running at ${where}`);
}

/** Ends a boot that does not complete. @returns the error for its caller. */
async function endEarly(boot: Boot, thrown: unknown): Promise<FleetboxError> {
  const { member, isAdoption } = boot;
  const { name, phases } = member;
  const { exit } = boot;
  const run = bootOf(phases.now) === boot ? runOf(phases.now) : undefined;
  // An adopted machine must not be killed because of a failure here; a stop asks its guest.
  const isKept = isAdoption && !exit;
  if (run && !isKept) await run[Symbol.asyncDispose]();
  // Tells clients that wait for a console of the end.
  if (!run || !member.console.isConnected) member.console.end();
  const { now } = phases;
  if (bootOf(now) !== boot) return new FleetboxError("conflict", `"${name}" was stopped while it was booting`);
  // We killed the machine, so an orderly end is not the cause.
  const isOurs = !exit && (boot.exit?.how === "quit" || boot.exit?.how === "killed");
  const cause = failureOf(boot, thrown, isOurs ? undefined : boot.exit);
  log(`${name}: did not come up: ${describe(cause)}`);
  const failure = toWireError(cause);
  if (now.kind === "orphaned" && isAlive(now.process)) phases.to({ kind: "orphaned", process: now.process, failure });
  else phases.to({ kind: "failed", failure, ...(run && isKept ? { run } : {}) });
  return cause;
}

function failureOf({ member, logStart }: Boot, thrown: unknown, exit: MachineExit | undefined): FleetboxError {
  const tail = lastLines(member, logStart);
  const late = thrown instanceof FleetboxError && thrown.code === "timeout";
  if (late) return new FleetboxError("timeout", thrown.message, { cause: tail, hint: thrown.hint });
  const why = exit ? new Error(`its machine ended: ${exit.message}`, { cause: tail }) : thrown;
  const wire = toWireError(exit ? new FleetboxError("failed", "") : thrown);
  return new FleetboxError(wire.code, `Cannot boot "${member.name}": ${messageOf(why)}`, {
    cause: why instanceof Error ? why.cause ?? tail : tail,
    hint: wire.hint,
  });
}

/** The last lines of a boot's console, as a cause. */
export function lastLines(member: Member, logStart: number): Error | undefined {
  const lines = consoleTail(member.paths.serialLog, logStart);
  return lines.length === 0 ? undefined : new Error(`the last lines of its console:\n${lines.join("\n")}`);
}

function tooLate({ member, denied }: Boot, limitMs: number): FleetboxError {
  const { name, phases } = member;
  const within = `within ${limitMs / 1000} s`;
  const { now } = phases;
  if (now.kind === "paused") {
    const { message, hint } = now.pause.failure;
    return new FleetboxError("timeout", `"${name}" did not come up ${within}: ${message}`, { hint });
  }
  const { stage } = wireState(now);
  if (stage === "cloud-init") {
    const refused = denied === "" ? "" : `; SSH refused the login: ${denied}`;
    return new FleetboxError(
      "timeout",
      `"${name}" answers on its SSH port, but its cloud-init did not finish ${within}${refused}`,
      { hint: "Give it longer with --timeout, or do not wait for it: --ready ssh" },
    );
  }
  return new FleetboxError(
    "timeout",
    `"${name}" did not answer on its SSH port ${within}; it came as far as ${stage}`,
    {
      hint: `Give it longer with --timeout, or read its console: fleetbox logs ${name}`,
    },
  );
}

/** Moves the boot to a later stage. Ignores earlier stages, and signs from a paused machine. */
function advance(boot: Boot, stage: Stage): void {
  const { phases } = boot.member;
  const { now } = phases;
  if ((now.kind !== "preparing" && now.kind !== "booting") || now.boot !== boot) return;
  if (now.kind === "preparing" && now.download) boot.limit.resume();
  const isLater = STAGES.indexOf(stage) > STAGES.indexOf(now.stage);
  if (!isLater) return;
  phases.to(now.kind === "preparing" ? { kind: "preparing", boot, stage } : { ...now, stage });
}

/** The image is being downloaded, which does not count against the boot's limit. Reported every second. */
function downloadProgress(boot: Boot): (progress: FetchProgress) => void {
  const { phases } = boot.member;
  let toldMs = -Infinity;
  return ({ bytes, total, rate }) => {
    const { now } = phases;
    if (now.kind !== "preparing" || now.boot !== boot) return;
    boot.limit.pause();
    if (performance.now() - toldMs < DOWNLOAD_EVERY_MS) return;
    toldMs = performance.now();
    phases.to({ ...now, download: { bytes, ...(total === undefined ? {} : { total }), rate } });
  };
}
