/**
 * QEMU as a driver: the contract's verbs.
 *
 * The parts: `arguments.ts` makes the command line, `process.ts` owns the process and its control connection,
 * `exits.ts` says what an end means, `stop.ts` is the ladder; `gateway.ts` is the gateway, `accelerator.ts` chooses,
 * `disks.ts` makes disks. This file joins them, and translates QMP's events and run states into the contract's.
 */

import { settles } from "../../core/deadline.ts";
import type { ProcessIdentity } from "../../system/process.ts";
import type { Driver, Machine, MachineEvent, MachineExit, MachineState, StopOptions } from "../contract.ts";
import { asText, QmpClosedError, type QmpEvent } from "./qmp.ts";
import { checkSpec, machineArguments } from "./arguments.ts";
import { machineExit } from "./exits.ts";
import { chooseAccelerator } from "./accelerator.ts";
import { disks } from "./disks.ts";
import { findUefi, saysNothingToBoot } from "./firmware.ts";
import { adoptGateway, startGateway } from "./gateway.ts";
import { preflight } from "./preflight.ts";
import { adopt, launch, type QemuProcess } from "./process.ts";
import { findQemu } from "./program.ts";
import { stopMachine } from "./stop.ts";

export const qemu: Driver = {
  name: "qemu",
  disks,
  findProgram: findQemu,
  choose: (binary, cacheFile) => chooseAccelerator({ binary, cacheFile }),
  preflight,
  findFirmware: (arch) => findUefi(arch),
  startGateway,
  adoptGateway,
  check: checkSpec,
  saysNothingToBoot,
  commandLine: (spec) => [spec.binary, ...machineArguments(spec)],
  async start(spec, signal) {
    checkSpec(spec);
    return new QemuMachine(
      spec.name,
      await launch({
        label: `QEMU of "${spec.name}"`,
        commandLine: qemu.commandLine(spec),
        controlSocket: spec.controlSocket,
        sockets: [spec.netSocket, spec.consoleSocket],
        bound: spec.bound,
        signal,
      }),
    );
  },
  async adopt(spec, identity) {
    checkSpec(spec);
    return new QemuMachine(
      spec.name,
      await adopt({
        label: `QEMU of "${spec.name}"`,
        identity,
        name: spec.name,
        controlSocket: spec.controlSocket,
        sockets: [spec.netSocket, spec.consoleSocket],
      }),
    );
  },
};

class QemuMachine implements Machine {
  readonly exited: Promise<MachineExit>;

  constructor(readonly name: string, private readonly qemu: QemuProcess) {
    this.exited = qemu.exited.then(machineExit);
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
    await this.qemu.qmp.execute("cont");
  }

  async stop(options: StopOptions): Promise<MachineExit> {
    await stopMachine(this, this.qemu, options);
    return await this.exited;
  }

  async kill(): Promise<MachineExit> {
    await this.qemu.end();
    return await this.exited;
  }
}

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
    case "BLOCK_IO_ERROR": {
      const volume = asText(data["node-name"], asText(data.device, "disk"));
      const operation = asText(data.operation, "access");
      const message = `${operation} on volume "${volume}" failed: ${asText(data.reason, "without a reason")}`;
      return {
        kind: "ioError",
        volume,
        operation,
        nospace: data.nospace === true,
        stopped: data.action === "stop",
        message,
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
    default:
      return { kind: "paused", detail: status };
  }
}
