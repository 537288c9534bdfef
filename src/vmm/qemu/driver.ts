/**
 * QEMU as a driver: the contract's verbs.
 *
 * The parts: `arguments.ts` makes the command line, `process.ts` owns the process and its control connection,
 * `machine.ts` is a machine, `exits.ts` says what an end means, `stop.ts` is the ladder; `snapshots/` has a
 * machine's state and memory in files; `gateway.ts` is the gateway, `accelerator.ts` chooses, `disks.ts` makes disks.
 */

import type { Driver, MachineSpec } from "../contract.ts";
import { checkSpec, machineArguments } from "./arguments.ts";
import { chooseAccelerator } from "./accelerator.ts";
import { disks } from "./disks.ts";
import { findUefi, saysNothingToBoot } from "./firmware.ts";
import { adoptGateway, startGateway } from "./gateway.ts";
import { preflight } from "./preflight.ts";
import { QemuMachine } from "./machine.ts";
import { checkMemoryFits } from "./snapshots/memory.ts";
import { adopt, launch, type QemuProcess } from "./process.ts";
import { wasStartedIncoming } from "./processes.ts";
import { findQemu } from "./program.ts";
import { checkShares, serveShares } from "./shares.ts";

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
  checkShares,
  commandLine: (spec) => [spec.binary, ...machineArguments(spec)],
  snapshotSupport: async (binary, accelerator) =>
    (await import("./snapshots/fit.ts")).snapshotSupport(binary, accelerator),
  async start(spec, signal, saved) {
    checkSpec(spec);
    checkMemoryFits(labelOf(spec), spec.memoryMiB);
    if (!saved) return await startFresh(spec, signal);
    const { checkSaved, INCOMING, loadMachine } = await import("./snapshots/restore.ts");
    const state = await checkSaved(spec, saved);
    const process = await launchMachine(spec, INCOMING, signal);
    try {
      await loadMachine(process, spec, state, saved, signal);
      if (!saved.paused) await process.qmp.execute("cont");
    } catch (thrown) {
      await process.end();
      throw thrown;
    }
    return new QemuMachine(spec, process, true);
  },
  async adopt(spec, identity, { maybeStopped = false } = {}) {
    checkSpec(spec);
    const { controlSocket, name } = spec;
    const label = labelOf(spec);
    const process = await adopt({ label, identity, name, controlSocket, sockets: socketsOf(spec), maybeStopped });
    return new QemuMachine(spec, process, wasStartedIncoming(identity.pid));
  },
};

/** A machine that boots, with the programs that serve its shares. */
async function startFresh(spec: MachineSpec, signal?: AbortSignal): Promise<QemuMachine> {
  if (!spec.shares?.length) return new QemuMachine(spec, await launchMachine(spec, [], signal));
  const servers = await serveShares(spec.shares, { bound: spec.bound, signal });
  try {
    return new QemuMachine(spec, await launchMachine(spec, [], signal), false, servers);
  } catch (thrown) {
    await servers.end();
    throw thrown;
  }
}

function labelOf({ name }: MachineSpec): string {
  return `QEMU of "${name}"`;
}

/** Besides its control socket. */
function socketsOf({ netSocket, consoleSocket, agentSocket }: MachineSpec): string[] {
  return [netSocket, consoleSocket, ...(agentSocket === undefined ? [] : [agentSocket])];
}

function launchMachine(spec: MachineSpec, more: readonly string[], signal?: AbortSignal): Promise<QemuProcess> {
  return launch({
    label: labelOf(spec),
    commandLine: [...qemu.commandLine(spec), ...more],
    controlSocket: spec.controlSocket,
    sockets: socketsOf(spec),
    bound: spec.bound,
    signal,
  });
}
