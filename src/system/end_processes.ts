/** Ends processes that a killed holder left and that are not our children. */

import { Limit, pause } from "../core/deadline.ts";
import { FleetboxError } from "../core/errors.ts";
import { isAlive, type ProcessIdentity } from "./process.ts";

/** How long the kernel may take to end a killed process. */
const GONE_LIMIT_MS = 10_000;

/** Kills processes and returns when they are gone. `what` names one of them in the error. @throws {FleetboxError} `failed` */
export async function endProcesses(processes: readonly ProcessIdentity[], what: string): Promise<void> {
  using limit = new Limit(GONE_LIMIT_MS);
  await Promise.all(processes.map(async (process) => {
    while (isAlive(process)) {
      if (limit.signal.aborted) {
        throw new FleetboxError("failed", `${what} (process ${process.pid}) does not end, not even by SIGKILL`);
      }
      try {
        Deno.kill(process.pid, "SIGKILL");
      } catch { /* it has just ended */ }
      await pause(10); // not our child: no event reports its end
    }
  }));
}
