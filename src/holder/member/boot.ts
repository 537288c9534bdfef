/**
 * The boot of a member, from its config to a guest that answers, and the adoption of a machine, which is the second
 * half of a boot.
 *
 * The resources of a boot belong to the member's phase (`phases.ts`). A boot that ends early (by a failure, its limit,
 * a stop) goes through {@link endEarly}: the machine is killed and released, and the cause is kept. An adopted machine
 * runs on.
 */

import { Countdown } from "../../core/deadline.ts";
import { FleetboxError, type WireError } from "../../core/errors.ts";
import { listed } from "../../core/names.ts";
import { DEFAULTS, type Options } from "../../core/options.ts";
import { mountShares } from "../../guest/directories/shares.ts";
import { untilCloudInit } from "../../guest/cloud_init.ts";
import type { FetchProgress } from "../../image/fetch.ts";
import { pendingScripts } from "../../store/scripts.ts";
import { sizeOf } from "../../system/files.ts";
import type { ProcessIdentity } from "../../system/process.ts";
import type { Machine, MachineExit, MachineSpec } from "../../vmm/contract.ts";
import type { SshEndpoint } from "../../wire.ts";
import { log } from "../log.ts";
import { hostNameAtSave } from "../snapshots/sources.ts";
import { ComingTemplate } from "../snapshots/take_template.ts";
import { planWarm } from "../snapshots/warm_start.ts";
import { endEarly, tooLate } from "./boot_failure.ts";
import { advance, connect, guestWay, holdMachine, runs, specOf } from "./boot_steps.ts";
import { Hints } from "./hints.ts";
import type { Identity } from "./identity.ts";
import { goOn, NeverRan, stateLeft } from "./left_behind.ts";
import type { MachineRun } from "./machine_run.ts";
import type { Member } from "./member.ts";
import { runOf } from "./phases.ts";
import type { Place } from "../places.ts";
import { imageFor, type Prepared, type PreparedBoot, prepareMember, type PrepareRequest } from "./prepare.ts";
import { untilSsh } from "./ready.ts";
import { runAtBoot, unfinished } from "../scripts/member_scripts.ts";
import { forgetTemplate, renewGuest, startSaved } from "./warm_boot.ts";

/** How long a guest without a sign of cloud-init may refuse our key before we conclude that it has none. */
const STRANGER_MS = 20_000;

/** How often a download's progress is reported. */
const DOWNLOAD_EVERY_MS = 1_000;

/** A running boot, and its facts about the guest. */
export class Boot {
  abort = new AbortController();
  /** Resolved when the guest answers. @throws the cause, when it does not. */
  done!: Promise<void>;
  readonly limit: Countdown;
  readonly limitMs: number;
  /** Its place among those that boot, until it gives it up. */
  place: Place | undefined;
  /** Where its lines begin in the console's log. */
  readonly logStart: number;
  /** When to probe SSH; when to check cloud-init. */
  readonly sshHints = new Hints();
  readonly cloudInitHints = new Hints();
  /** Whether the guest runs cloud-init, by its image or its console. */
  hasCloudInit: boolean | undefined;
  /** Why the latest try to log in failed. */
  denied = "";
  /** What it is made of, once that is there. */
  prepared: PreparedBoot | undefined;
  /** The template that it goes on from, from when that was found. */
  template: string | undefined;
  /** The machine's end, if it came during the boot. */
  exit: MachineExit | undefined;

  constructor(readonly member: Member, readonly options: Options, readonly isAdoption: boolean) {
    const limitMs = this.limitMs = options.boot_timeout_ms ?? DEFAULTS.bootTimeoutMs;
    this.limit = new Countdown(limitMs, () => this.abort.abort(tooLate(this, limitMs)));
    this.logStart = sizeOf(member.paths.serialLog);
  }

  get signal(): AbortSignal {
    return this.abort.signal;
  }

  /** Begins anew, within the same limit: its machine is another one now. */
  again(): void {
    this.abort = new AbortController();
    this.prepared =
      this.template =
      this.exit =
      this.hasCloudInit =
        undefined;
  }
}

/** Starts a member as who it is on its network. @throws the cause, when it does not come up. */
export async function bootMember(boot: Boot, identity: Identity): Promise<void> {
  const { options } = boot;
  try {
    try {
      await bootOnce(boot, identity, options);
    } catch (thrown) {
      if (!(await forgetTemplate(boot, thrown))) throw thrown;
      await bootOnce(boot, identity, { ...options, cold: true });
    }
  } catch (thrown) {
    throw await endEarly(boot, thrown);
  } finally {
    boot.limit.end();
    boot.place?.giveUp();
    boot.member.context.gate.leave(boot.member.name);
  }
}

async function bootOnce(boot: Boot, identity: Identity, options: Options): Promise<void> {
  const { member, signal } = boot;
  const { context, name, phases } = member;
  signal.throwIfAborted();
  phases.to({ kind: "preparing", boot, stage: "image" });
  const { arch } = context.store.config(name) ?? options;
  if (arch) context.host.find(arch); // before its download
  const request: PrepareRequest = {
    store: context.store,
    name,
    options,
    identity,
    group: context.groupId,
    groupName: context.group,
    signal,
    onDownload: downloadProgress(boot),
    onStage: (stage) => advance(boot, stage),
    onPlan: async (config, image, publicKey) => {
      const plan = await planWarm(context, config, image, publicKey, options);
      boot.template = plan.source?.name;
      return plan;
    },
    onCreate: () => member.created = true,
    onReplace: (replaced) => member.replaced = replaced,
  };
  if (options.needs?.length) await untilNeedsRun(boot, options.needs, request);
  boot.place ??= await untilPlace(boot);
  const prepared = boot.prepared = await prepareMember(request);
  member.config = prepared.config;
  boot.hasCloudInit = prepared.image.cloudInit;

  // Wait for both, even if one fails: a boot that has ended must have no pending work.
  const [spec, written] = await Promise.allSettled([specOf(member, prepared), context.writePid(name)]);
  signal.throwIfAborted();
  if (spec.status === "rejected") throw spec.reason;
  if (written.status === "rejected") throw written.reason;
  const { image, created, source, next, whyCold } = prepared;
  member.tell(`its image is ${image.id}, its disk ${created ? "new" : "kept"}: ${spec.value.disk}`);
  member.tell(source ? `it goes on from the ${source.kind} ${source.name}` : `it boots: ${whyCold}`);
  const command = context.driver.commandLine(spec.value);
  member.tell("its hypervisor's command line", command);
  advance(boot, "boot");

  if (source) return await startSaved(boot, spec.value, command, source);
  const run = holdMachine(boot, await context.driver.start(spec.value, signal));
  run.command = command;
  run.guest = guestWay(prepared.image, spec.value);
  const isReady = options.ready !== "ssh" || prepared.image.cloudInit === false;
  const { machine } = run;
  await using template = created && next && isReady
    ? new ComingTemplate({ member, machine, prepared, next })
    : undefined;
  run.ssh = await connect(boot);
  await untilSsh(run.ssh, { signal, onHint: (hint) => boot.sshHints.on(hint) });
  // What it runs may wait for other members.
  if (prepared.config.user_data !== undefined || pendingScripts(prepared.config).length > 0) boot.place?.giveUp();
  const problem = await unfit(boot, run, template !== undefined);
  // A guest that refuses our key could not be told what has changed since.
  if (template && !problem && boot.denied === "") {
    const rest = await template.take(signal);
    if (rest) context.later(rest());
  }
  runs(boot, run, problem);
}

/** Waits until the members that this one needs run, which does not count against its limit; its image is fetched meanwhile. */
async function untilNeedsRun(boot: Boot, needs: readonly string[], request: PrepareRequest): Promise<void> {
  const { member: { context, name }, signal } = boot;
  await imageFor(request, context.store.config(name));
  advance(boot, "waiting");
  boot.limit.pause();
  boot.member.tell(`it waits until ${listed(needs)} ${needs.length > 1 ? "run" : "runs"}`);
  await context.gate.untilRunning(name, needs, signal);
  boot.limit.resume();
}

/** Waits for a place among those that boot, which does not count against its limit. */
async function untilPlace(boot: Boot): Promise<Place> {
  const { member, signal, limit, limitMs } = boot;
  const { places } = member.context.gate;
  const place = await places.take(limitMs / 2, signal, () => {
    advance(boot, "queued");
    limit.pause();
    member.tell(`it waits for its turn: ${places.count} members boot at a time`);
  });
  limit.resume();
  return place;
}

/** The machine of a holder that died. */
export interface OrphanedMachine {
  process: ProcessIdentity;
  /** Its guest had answered before. */
  wasRunning: boolean;
  /** When it began to run, if known. */
  since?: Date;
  /** What had failed in it, although it ran. */
  problem?: WireError;
  /** It may stand still, because its holder was killed while it got a part of the time only. */
  maybeStopped: boolean;
}

/**
 * Adopts the machine of a holder that died. After a failure the machine is left as it is: only a stop ends it.
 * @throws the cause, when that fails
 */
export async function adoptMember(
  boot: Boot,
  { process, wasRunning, since, problem, maybeStopped }: OrphanedMachine,
  prepare: () => Promise<Prepared>,
): Promise<void> {
  const { member, signal } = boot;
  const { context, name, phases } = member;
  try {
    const before = runOf(phases.now); // an earlier try may have reached the machine, and failed later
    phases.to(before ? { kind: "booting", boot, stage: "boot", run: before } : { kind: "orphaned", process, boot });
    const prepared = await prepare();
    member.config = prepared.config;
    boot.hasCloudInit = prepared.image.cloudInit;
    const spec = await specOf(member, prepared);
    const machine = before?.machine ?? await adoptMachine(member, spec, process, maybeStopped);
    const state = await stateLeft(member, machine);
    await context.writePid(name);
    const run = holdMachine(boot, machine, before);
    run.guest = guestWay(prepared.image, spec);
    run.isWarm = machine.beganSaved;
    advance(boot, wasRunning ? "adoption" : "ssh");
    await goOn(member, machine, spec.disk, state);
    run.ssh = await connect(boot);
    if (!wasRunning && machine.beganSaved) {
      // Its holder was killed before it had told the guest what has changed, or had noted that.
      const oldHostName = hostNameAtSave(context.store, prepared.config);
      await renewGuest(boot, run.ssh, prepared.image, spec, { oldHostName, signal });
      return runs(boot, run, await runAtBoot(boot, run), since);
    }
    if (!wasRunning) await untilSsh(run.ssh, { signal, onHint: (hint) => boot.sshHints.on(hint) });
    runs(boot, run, wasRunning ? problem ?? unfinished(prepared.config) : await unfit(boot, run), since);
  } catch (thrown) {
    if (!(thrown instanceof NeverRan)) throw await endEarly(boot, thrown);
    const { now } = phases;
    if (now.kind === "orphaned" && now.boot === boot) phases.to({ kind: "orphaned", process }); // to be started, or to leave
    else await endEarly(boot, thrown);
    throw thrown;
  } finally {
    boot.limit.end();
  }
}

async function adoptMachine(
  { context, name }: Member,
  spec: MachineSpec,
  process: ProcessIdentity,
  maybeStopped: boolean,
): Promise<Machine> {
  try {
    return await context.driver.adopt(spec, process, { maybeStopped });
  } catch (cause) {
    throw new FleetboxError("failed", `The machine of "${name}" runs (process ${process.pid}), but does not answer`, {
      cause,
      hint: `Try again (fleetbox up ${name}), or end it without asking it: fleetbox stop --force ${name}`,
    });
  }
}

/**
 * What a guest that answers has to do before it counts as running. @returns what failed of that
 * @param settles whether its boot is to be over: each start from its template would do the rest of it again
 */
async function unfit(boot: Boot, run: MachineRun, settles = false): Promise<WireError | undefined> {
  const failed = boot.options.ready === "ssh" ? undefined : await cloudInitEnd(boot, run.ssh!, settles);
  // Its holder may have been killed before it had mounted them.
  const problem = await mountEnd(boot, run.ssh!) ?? failed;
  const [script] = pendingScripts(boot.member.config!);
  if (!problem || !script) return problem ?? await runAtBoot(boot, run);
  return { ...problem, message: `${problem.message}; ${script.name} has not run` };
}

/** Waits until cloud-init has finished, if there is one. @returns its failure. */
async function cloudInitEnd(boot: Boot, ssh: SshEndpoint, settles: boolean): Promise<WireError | undefined> {
  if (boot.hasCloudInit === false) return undefined;
  const { member: { context, name }, signal } = boot;
  advance(boot, "cloud-init");
  const since = performance.now();
  const result = await untilCloudInit(ssh, {
    key: context.store.key,
    signal,
    settles,
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

/** Mounts what is shared with the guest read-write. @returns why that failed */
async function mountEnd({ member, signal }: Boot, ssh: SshEndpoint): Promise<WireError | undefined> {
  const { context: { store }, name, config } = member;
  if (!config?.shares) return undefined;
  const paths = config.shares.map(({ guest_path }) => guest_path);
  const why = await mountShares(ssh, paths, { key: store.key, signal });
  if (why === undefined) return undefined;
  log(`${name}: cannot mount its shares: ${why}`);
  return {
    code: "failed",
    message: `"${name}" runs, but a directory that is shared read-write is not mounted in it: ${why}`,
    causes: [],
    hint: "Its kernel must know virtio-fs (Linux 5.4 or newer); without it: --fixture, or fleetbox sync",
  };
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
