/** The end of a member's machine: its options, and the ladder (the guest is asked, then the machine is ended). */

import { FleetboxError } from "../../core/errors.ts";
import type { Loss, LostWrites } from "../../core/power_cut.ts";
import { isAlive, type ProcessIdentity } from "../../system/process.ts";
import { removeIfThere } from "../../system/files.ts";
import { machineSockets, type MemberPaths } from "../../store.ts";
import { hasDisk } from "../../store/disk.ts";
import type { Rung } from "../../vmm/contract.ts";
import { endProcesses } from "../../system/end_processes.ts";
import { log } from "../log.ts";
import type { MachineRun } from "./machine_run.ts";

export interface StopRequest {
  /** Ends the machine without asking its guest. */
  force: boolean;
  /** How long its guest may take, in milliseconds. */
  graceMs: number;
  /** Ends it as a power cut does. */
  cut?: PowerCut;
}

export interface PowerCut {
  loss: Loss;
  /** Called when the machine is gone and its disk is what the cut has left. */
  onLost(lost: LostWrites): Promise<void>;
}

/** A running stop. */
export interface Stop {
  /** Aborted: stop waiting for the guest. */
  hurry: AbortController;
  done: Promise<void>;
}

/** The descriptions of the steps of a stop. */
const RUNGS: Record<Rung, string> = {
  acpi: "its power button is pressed; its guest shuts down",
  quit: "its hypervisor is told to quit",
  kill: "its hypervisor is killed",
};

/** Ends a machine and releases its resources. A guest that still boots is not asked, unless it was adopted. */
export async function stopRun(
  name: string,
  run: MachineRun,
  { graceMs, hurry, ask, onStep }: { graceMs: number; hurry: AbortSignal; ask: boolean; onStep(step: string): void },
): Promise<void> {
  const { machine } = run;
  const exit = hurry.aborted || !ask ? await machine.kill() : await machine.stop({
    graceMs,
    signal: hurry,
    onRung: (rung) => {
      log(`${name}: stopping: ${rung}`);
      onStep(RUNGS[rung]);
    },
  });
  log(`${name}: stopped: ${exit.message}`);
  await run[Symbol.asyncDispose]();
}

/**
 * Ends an orphan that does not answer.
 * @throws {FleetboxError} `conflict`: it runs, and its end was not forced. One whose disk was deleted has nothing that a
 * graceful end could save, and needs no force.
 */
export async function endOrphan(
  name: string,
  paths: MemberPaths,
  process: ProcessIdentity,
  force: boolean,
): Promise<void> {
  if (!force && isAlive(process) && hasDisk(paths.dir)) {
    throw new FleetboxError("conflict", `Cannot stop "${name}": its machine (process ${process.pid}) does not answer`, {
      hint: `End it without asking it: fleetbox stop --force ${name}`,
    });
  }
  await endProcesses([process], `The machine of "${name}"`);
  for (const socket of machineSockets(paths)) removeIfThere(socket);
}
