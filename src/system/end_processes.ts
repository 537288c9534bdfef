/** The end of processes that are not our children: no event reports it. */

import { Limit, pause } from "../core/deadline.ts";
import { FleetboxError } from "../core/errors.ts";
import { isAlive, type ProcessIdentity } from "./process.ts";

/** How long the kernel may take to end a killed process. */
const GONE_LIMIT_MS = 10_000;
const LOOK_EVERY_MS = 10;

/** Kills processes and returns when they are gone. `what` names one of them in the error. @throws {FleetboxError} `failed` */
export async function endProcesses(processes: readonly ProcessIdentity[], what: string): Promise<void> {
  await Promise.all(processes.map(async (process) => {
    try {
      if (isAlive(process)) Deno.kill(process.pid, "SIGKILL");
    } catch { /* it has just ended */ }
    if (await endsWithin(process, GONE_LIMIT_MS)) return;
    throw new FleetboxError("failed", `${what} (process ${process.pid}) does not end, not even by SIGKILL`);
  }));
}

/** Waits for the end of a process. @returns false: it still runs after that time */
export async function endsWithin(process: ProcessIdentity, limitMs: number): Promise<boolean> {
  using limit = new Limit(limitMs);
  while (isAlive(process)) {
    if (limit.signal.aborted) return false;
    await pause(LOOK_EVERY_MS);
  }
  return true;
}
