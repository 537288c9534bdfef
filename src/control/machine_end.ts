/**
 * The end of a machine, for clients with a connection into it: such a connection goes silent, and is never closed.
 *
 * The member's holder reports the end as an event. When the holder is killed, its stream ends. A bound group's machine
 * then ends too; a detached one runs on, and the next holder reports on it.
 */

import { pause } from "../core/deadline.ts";
import { type FleetboxError, fromWireError } from "../core/errors.ts";
import { identify, isAlive, type ProcessIdentity } from "../system/process.ts";
import type { Store } from "../store.ts";
import { hasMachine } from "../store/orphans.ts";
import type { MemberReport } from "../wire.ts";
import { isAtPlace } from "./places/doors.ts";
import { watch } from "./members.ts";

/** How often a machine without a holder is checked: no event reports its end, or a new holder. */
const LOOK_AGAIN_MS = 250;

/** Why a machine has ended, as the end of a sentence, and the cause that its holder reports. */
export interface MachineEnd {
  why: string;
  cause?: FleetboxError;
}

/**
 * Waits for the end of the member's present machine.
 * @returns why it has ended; undefined when the signal fires first. Never rejects.
 */
export async function untilMachineEnds(
  store: Store,
  name: string,
  signal: AbortSignal,
): Promise<MachineEnd | undefined> {
  const machine: Known = { name };
  while (!signal.aborted) {
    const end = await endInStream(store, machine, signal).catch(() => undefined);
    if (signal.aborted) return undefined;
    if (end) return end;
    const lives = isAtPlace(store) || (machine.process ? isAlive(machine.process) : hasMachine(store, name));
    if (!lives) return { why: "its machine is gone" };
    await pause(LOOK_AGAIN_MS, signal);
  }
  return undefined;
}

/** The machine, from the holders' reports so far. */
interface Known {
  name: string;
  process?: ProcessIdentity;
}

/** The end that a holder reports; undefined when the holder ends without a report. */
async function endInStream(store: Store, machine: Known, signal: AbortSignal): Promise<MachineEnd | undefined> {
  const { name } = machine;
  let last: MemberReport | undefined;
  for await (const event of watch(store, name, signal)) {
    if (event.event === "gone" && event.name === name) return whyDown(last);
    if (event.event !== "member" || event.member.name !== name) continue;
    const { state, hypervisor_pid: pid, failure } = event.member;
    if (state === "error") return { why: "its machine failed", cause: failure && fromWireError(failure) };
    if (state === "stopped") {
      if (last) return whyDown(last);
      continue; // a new holder reports this of a machine that it has not looked at yet
    }
    last = event.member;
    if (pid === undefined) continue;
    machine.process ??= isAtPlace(store) ? { pid, startTime: "" } : identify(pid);
    if (machine.process && machine.process.pid !== pid) return { why: "it was started again" };
  }
  return undefined;
}

function whyDown(last: MemberReport | undefined): MachineEnd {
  return { why: last && last.stage !== "stopping" ? "its guest powered off" : "it was stopped" };
}
