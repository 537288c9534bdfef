/**
 * The end of a machine, for those who hold a connection into it: nothing comes over that connection any more, and nobody
 * closes it.
 *
 * The member's holder tells the end as an event. A holder that is killed takes its stream with it: of a bound group the
 * machine ends, too; of a detached one it goes on, and the next holder tells of it.
 */

import { pause } from "../core/deadline.ts";
import { type FleetboxError, fromWireError } from "../core/errors.ts";
import { identify, isAlive, type ProcessIdentity } from "../system/process.ts";
import type { Store } from "../store.ts";
import { hasMachine } from "../store/orphans.ts";
import type { MemberReport } from "../wire.ts";
import { watch } from "./members.ts";

/** How often a machine without a holder is looked at: no event tells of its end, nor of a new holder. */
const LOOK_AGAIN_MS = 250;

/** Why a machine is over, as the end of a sentence about it, and what its holder says was the cause. */
export interface MachineEnd {
  why: string;
  cause?: FleetboxError;
}

/**
 * Waits for the end of the machine that a member has now.
 * @returns why it is over; undefined when the signal fires first. Never rejects.
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
    const lives = machine.process ? isAlive(machine.process) : hasMachine(store, name);
    if (!lives) return { why: "its machine is gone" };
    await pause(LOOK_AGAIN_MS, signal);
  }
  return undefined;
}

/** The machine, as the holders told of it so far. */
interface Known {
  name: string;
  process?: ProcessIdentity;
}

/** The end as a holder tells it; undefined when the holder goes without a word. */
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
      continue; // a holder that has only just come says so of a machine that it has not looked at yet
    }
    last = event.member;
    if (pid === undefined) continue;
    machine.process ??= identify(pid);
    if (machine.process && machine.process.pid !== pid) return { why: "it was started anew" };
  }
  return undefined;
}

function whyDown(last: MemberReport | undefined): MachineEnd {
  return { why: last && last.stage !== "stopping" ? "its guest powered off" : "it was stopped" };
}
