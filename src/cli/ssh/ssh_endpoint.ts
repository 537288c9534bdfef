/** A member that is connected to over SSH, for `ssh`, `exec` and `cp`. */

import { getReport, reachMember } from "../../control/members.ts";
import { isNotFound } from "../../core/errors.ts";
import { lazyModule } from "../../core/lazy_modules.ts";
import type { Store } from "../../store.ts";
import type { MemberReport, SshEndpoint } from "../../wire.ts";

/** A member whose SSH server can be connected to. */
export type ReachedMember = MemberReport & { ssh: SshEndpoint };

/**
 * What its holder tells of it once the port of its SSH server is open. A member whose holder is gone is adopted first.
 * @throws {FleetboxError} `not-found`: there is no such member; `conflict`: it does not run; `timeout`: its holder does not answer
 */
export async function reach(store: Store, name: string): Promise<ReachedMember> {
  const reached = reachMember(store, name); // asked at once: each answer may come from far away
  reached.catch(() => {});
  const before = await reportOf(store, name);
  if (isAtHand(before)) {
    const report = await reached;
    // Only the first of both asks the hypervisor.
    if (isAtHand(report)) return { ...report, not_answering: before.not_answering };
  }
  // A third of what `exec` would load.
  const { lookForEndpoint } = await lazyModule<typeof import("./look_for_endpoint.ts")>(
    "src/cli/ssh/look_for_endpoint.ts",
  );
  return await lookForEndpoint(store, name);
}

async function reportOf(store: Store, name: string): Promise<MemberReport | undefined> {
  try {
    return await getReport(store, name);
  } catch (thrown) {
    if (isNotFound(thrown)) return undefined; // its holder is releasing it
    throw thrown;
  }
}

/** Whether it runs. */
export function isReached(report: MemberReport | undefined): report is ReachedMember {
  return report !== undefined && report.running && report.ssh !== undefined;
}

/** Whether it can be connected to at once: it is not just being adopted. */
function isAtHand(report: MemberReport | undefined): report is ReachedMember {
  return isReached(report) && report.stage !== "adoption";
}
