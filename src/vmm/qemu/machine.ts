/**
 * A machine of QEMU's: the contract's verbs for one that runs, and what QMP's events and run states mean in its words.
 */

import { settles } from "../../core/deadline.ts";
import { FleetboxError } from "../../core/errors.ts";
import { removeIfThere } from "../../system/files.ts";
import type { ProcessIdentity } from "../../system/process.ts";
import type {
  DiskCounts,
  Machine,
  MachineDiskFault,
  MachineEvent,
  MachineExit,
  MachineSpec,
  MachineState,
  SaveOptions,
  SnapshotFiles,
  StopOptions,
} from "../contract.ts";
import { moveDisk, volumeOfNode } from "./snapshots/disk_switch.ts";
import { isFaultNode } from "./disk_faults/layers.ts";
import { machineExit } from "./exits.ts";
import type { QemuProcess } from "./process.ts";
import { asText, QmpClosedError, type QmpEvent } from "./qmp.ts";
import type { ShareServers } from "./shares.ts";
import { stopMachine } from "./stop.ts";
import { Throttle } from "./throttle.ts";

/** How long a stop waits for an aborted save. */
const END_SAVE_MS = 2_000;
/** The run state during a save. */
const SAVING = "finish-migrate";

export class QemuMachine implements Machine {
  readonly exited: Promise<MachineExit>;

  constructor(
    private readonly spec: MachineSpec,
    private readonly qemu: QemuProcess,
    readonly beganSaved = false,
    shares?: ShareServers,
  ) {
    this.exited = qemu.exited.then(async (end) => {
      await shares?.end();
      for (const { socket } of spec.shares ?? []) removeIfThere(socket);
      return machineExit(end);
    });
  }

  get name(): string {
    return this.spec.name;
  }

  get hypervisor(): string {
    return `QEMU ${this.qemu.qmp.version.join(".")}`;
  }

  get process(): ProcessIdentity {
    return this.qemu.identity;
  }

  onEvent(listener: (event: MachineEvent) => void): () => void {
    return this.qemu.onEvent((event) => {
      const translated = machineEvent(event);
      if (translated) listener(translated);
    });
  }

  #asked: Promise<boolean> | undefined;

  async answers(limitMs: number): Promise<boolean> {
    const asked = this.#asked ??= this.state().then(() => true, () => false).finally(() => this.#asked = undefined);
    return await settles(asked, limitMs) && await asked;
  }

  async state(): Promise<MachineState> {
    if (this.qemu.gone) return { kind: "gone", detail: "gone" };
    try {
      const answer = await this.qemu.qmp.execute<{ status?: unknown } | undefined>("query-status");
      const state = machineState(asText(answer?.status, "unknown"));
      return state.kind === "io-error" ? { ...state, detail: await this.#diskStatus() } : state;
    } catch (thrown) {
      if (!(thrown instanceof QmpClosedError)) throw thrown;
      if (this.qemu.gone) return { kind: "gone", detail: "gone" };
      return { kind: "ending", detail: "its control connection is closed" };
    }
  }

  /** QEMU's word for a disk's problem. */
  async #diskStatus(): Promise<"nospace" | "failed"> {
    const disks = await this.qemu.qmp.execute<({ "io-status"?: unknown } | null)[] | undefined>("query-block");
    return Array.isArray(disks) && disks.some((disk) => disk?.["io-status"] === "nospace") ? "nospace" : "failed";
  }

  async resume(): Promise<void> {
    this.#refuseWhileSaved("resume");
    if ((await this.state()).detail === SAVING) {
      await (await import("./snapshots/migration.ts")).endMigration(this.qemu);
    }
    await this.qemu.qmp.execute("cont");
  }

  async pause(): Promise<void> {
    await this.qemu.qmp.execute("stop");
  }

  #throttle: Throttle | undefined;

  get stoppedMs(): number {
    return this.#throttle?.stoppedMs ?? 0;
  }

  throttle(share: number | undefined): void {
    if (share !== undefined) this.#throttle ??= this.#newThrottle();
    this.#throttle?.set(share);
  }

  #newThrottle(): Throttle {
    const throttle = new Throttle((name) => this.qemu.signal(name));
    let letGo = () => {};
    this.qemu.qmp.onWaiting = (isWaiting) => {
      if (isWaiting) letGo = throttle.hold();
      else letGo();
    };
    void this.exited.then(() => throttle.set(undefined));
    return throttle;
  }

  #save: { done: Promise<void>; abort: AbortController } | undefined;

  async prepareSave(): Promise<void> {
    await loadSaving();
  }

  async save(files: SnapshotFiles, { disk, writeLog, signal }: SaveOptions = {}): Promise<void> {
    this.#refuseWhileSaved("save");
    const abort = new AbortController();
    const done = this.#saveTo(
      files,
      { disk, writeLog },
      signal ? AbortSignal.any([signal, abort.signal]) : abort.signal,
    );
    this.#save = { done, abort };
    await done.finally(() => this.#save = undefined);
  }

  async #saveTo(
    files: SnapshotFiles,
    next: Pick<SaveOptions, "disk" | "writeLog">,
    signal: AbortSignal,
  ): Promise<void> {
    const [{ saveMachine }, { hardwareFit, hostFit, qmpBuild }] = await loadSaving();
    const { binary, accelerator } = this.spec;
    const fit = { host: hostFit(qmpBuild(this.qemu.qmp), binary, accelerator), hardware: hardwareFit(this.spec) };
    await saveMachine(this.qemu, files, { label: this.#label, binary, fit, ...next, signal });
  }

  async moveToOverlay(path: string, writeLog?: string): Promise<void> {
    this.#refuseWhileSaved("move the disk of");
    const { detail } = await this.state();
    if (detail === "postmigrate") {
      throw new FleetboxError("conflict", `Cannot move the disk of ${this.#label}: it was saved and has not run since`);
    }
    await moveDisk(this.qemu, this.#label, path, writeLog);
  }

  async limitWriteLog(bytes: number): Promise<void> {
    await (await import("./power_cut/limit.ts")).limitLog(this.qemu, this.#label, bytes);
  }

  async cutPower(log: string): Promise<MachineExit> {
    this.#refuseWhileSaved("cut the power of");
    this.throttle(undefined);
    await (await import("./power_cut/cut.ts")).stopWrites(this.qemu, this.#label, log);
    await this.qemu.kill();
    return await this.exited;
  }

  async setDiskFaults(faults: readonly MachineDiskFault[]): Promise<void> {
    this.#refuseWhileSaved("change the disk of");
    await (await loadDiskFaults()).setDiskFaults(this.qemu, this.#label, faults, this.spec.disk);
  }

  async diskCounts(): Promise<DiskCounts> {
    return await (await loadDiskFaults()).countRequests(this.qemu);
  }

  get #label(): string {
    return `"${this.name}"`;
  }

  #refuseWhileSaved(what: string): void {
    if (this.#save) throw new FleetboxError("conflict", `Cannot ${what} ${this.#label}: it is being saved`);
  }

  /** An end does not wait for a save; a guest that is asked to shut down must be able to run first. */
  async #endSave(): Promise<void> {
    if (!this.#save) return;
    const { done, abort } = this.#save;
    abort.abort(new FleetboxError("interrupted", `${this.#label} is stopped while it is saved`));
    await settles(done, END_SAVE_MS);
  }

  async stop(options: StopOptions): Promise<MachineExit> {
    this.throttle(undefined);
    await this.#endSave();
    await stopMachine(this, this.qemu, options);
    return await this.exited;
  }

  async kill(): Promise<MachineExit> {
    this.throttle(undefined);
    void this.#endSave();
    await this.qemu.end();
    return await this.exited;
  }
}

/** Lazily: few machines have faults. */
const loadDiskFaults = () => import("./disk_faults/chain.ts");

/** Lazily: few holders save. */
const loadSaving = () => Promise.all([import("./snapshots/save.ts"), import("./snapshots/fit.ts")]);

/** A QMP event as one of the contract; undefined for others. */
export function machineEvent({ event, data }: QmpEvent): MachineEvent | undefined {
  switch (event) {
    case "POWERDOWN":
      return { kind: "powerdown" };
    case "RESET":
      return { kind: "reset", guest: data.guest === true };
    case "SHUTDOWN":
      return { kind: "shutdown", guest: data.guest === true, reason: asText(data.reason, "unknown") };
    case "STOP":
      return { kind: "stopped" };
    case "RESUME":
      return { kind: "resumed" };
    case "GUEST_PANICKED":
      return { kind: "panicked" };
    case "NETDEV_STREAM_CONNECTED":
      return { kind: "netConnected" };
    case "NETDEV_STREAM_DISCONNECTED":
      return { kind: "netDisconnected" };
    case "BLOCK_WRITE_THRESHOLD":
      return { kind: "writeLogLong" };
    case "BLOCK_IO_ERROR": {
      const volume = volumeOfNode(asText(data["node-name"], asText(data.device, "disk")));
      const operation = asText(data.operation, "access");
      const message = `${operation} on volume "${volume}" failed: ${asText(data.reason, "without a reason")}`;
      return {
        kind: "ioError",
        volume,
        operation,
        nospace: data.nospace === true,
        stopped: data.action === "stop",
        message,
        ...(isFaultNode(asText(data["node-name"], "")) && data.action === "report" ? { mayBeFault: true } : {}),
      };
    }
    default:
      return undefined;
  }
}

/** QEMU's run state (`RunState` in qapi/run-state.json) as the contract's. */
export function machineState(status: string): MachineState {
  switch (status) {
    case "running":
    case "io-error":
      return { kind: status, detail: status };
    case "guest-panicked":
      return { kind: "panicked", detail: status };
    case "shutdown":
      return { kind: "ending", detail: status };
    case "inmigrate":
      return { kind: "unloaded", detail: status };
    default:
      return { kind: "paused", detail: status };
  }
}
