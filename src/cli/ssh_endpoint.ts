/**
 * Where a member answers, for the commands that go into it (`ssh`, `exec`, `cp`). One that runs without a holder, which was
 * killed, is taken back first, with its group; one that is just being taken back is waited for.
 */

import { reachMember } from "../control.ts";
import { FleetboxError } from "../core/errors.ts";
import type { Store } from "../store.ts";
import type { SshEndpoint } from "../wire.ts";
import { type MemberFacts, observeGroups, orphanGroup } from "../control/observe.ts";
import { warn } from "./terminal/output.ts";
import { requireMember } from "./arguments/store_access.ts";
import { takeBackAndConnect, takenBack, untilTakenOver } from "./take_back.ts";

/** @throws {FleetboxError} `not-found`: there is none of that name; `conflict`: it does not run. */
export async function reach(store: Store, name: string): Promise<SshEndpoint> {
  const member = await requireMember(store, name);
  if (member.report?.stage === "adoption") {
    await untilTakenOver(store, name);
    return endpointOf(await reachable(store, await requireMember(store, name)), () => false);
  }
  if (!isOrphan(store, member)) return endpointOf(await reachable(store, member), () => false);
  const taken = await takeBackAndConnect(store, [name]);
  if (taken.length > 0) warn(takenBack(taken));
  return endpointOf(await reachable(store, await requireMember(store, name)), () => taken.length === 0);
}

/** The same facts once the member's SSH port is open: a gateway that has died is waited for. */
async function reachable(store: Store, member: MemberFacts): Promise<MemberFacts> {
  if (!member.report?.ssh) return member;
  return { ...member, report: await reachMember(store, member.name) };
}

function isOrphan(store: Store, { name, report, silence }: MemberFacts): boolean {
  return !report && !silence && orphanGroup(observeGroups(store), name) !== undefined;
}

/** Where a member answers: one that runs, or whose cloud-init is at work. @throws {FleetboxError} `conflict`: it does not run. */
export function endpointOf({ name, report, silence }: MemberFacts, isOrphan: () => boolean): SshEndpoint {
  if (silence) throw silence;
  if (report?.running && report.ssh) return report.ssh;
  const refuse = (found: string, hint: string) =>
    new FleetboxError("conflict", `Cannot reach "${name}": it ${found}`, { hint });
  if (!report && isOrphan()) throw refuse("is without a holder, which was killed", `Take it back: fleetbox up ${name}`);
  if (!report || report.state === "stopped") throw refuse("is not running", `Boot it: fleetbox up ${name}`);
  if (report.state === "error") {
    throw refuse(
      `failed: ${report.failure?.message ?? report.error ?? "?"}`,
      `Look at its console: fleetbox logs ${name}`,
    );
  }
  throw refuse(`is still booting (${report.stage ?? report.state})`, `Wait for it: fleetbox wait ${name}`);
}
