/** A member's SSH endpoint, for `ssh`, `exec` and `cp`. */

import { getReport, reachMember } from "../../control/members.ts";
import { isNotFound } from "../../core/errors.ts";
import { lazyModule } from "../../core/lazy_modules.ts";
import type { Store } from "../../store.ts";
import type { MemberReport, SshEndpoint } from "../../wire.ts";

/**
 * Where its SSH server listens, once that port is open. A member whose holder is gone is adopted first.
 * @throws {FleetboxError} `not-found`: there is no such member; `conflict`: it does not run; `timeout`: its holder does not answer
 */
export async function reach(store: Store, name: string): Promise<SshEndpoint> {
  const endpoint = endpointIn(await reportOf(store, name)) && endpointIn(await reachMember(store, name));
  if (endpoint) return endpoint;
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

/** That of a member that runs, and is not just being adopted. */
function endpointIn(report: MemberReport | undefined): SshEndpoint | undefined {
  return report?.running && report.stage !== "adoption" ? report.ssh : undefined;
}
