/**
 * A member's SSH endpoint when its holder's report alone does not give it: an orphan is adopted first, with its group; if another
 * holder is adopting it, this waits for it. Else it says why there is none.
 */

import { reachMember } from "../../control/members.ts";
import { type MemberFacts, observeGroups, orphanGroup } from "../../control/observe.ts";
import { FleetboxError } from "../../core/errors.ts";
import { lazyModule } from "../../core/lazy_modules.ts";
import type { Store } from "../../store.ts";
import { requireMember } from "../arguments/store_access.ts";
import { isReached, type ReachedMember } from "./ssh_endpoint.ts";

/** Seldom needed. */
const adopting = () => lazyModule<typeof import("../adopt_and_tell.ts")>("src/cli/adopt_and_tell.ts");

/** @throws {FleetboxError} `not-found`: there is no such member; `conflict`: it does not run. */
export async function lookForEndpoint(store: Store, name: string): Promise<ReachedMember> {
  const member = await requireMember(store, name);
  if (member.report?.stage === "adoption") {
    const { untilAdopted } = await adopting();
    await untilAdopted(store, name);
    return reachedOf(await reachable(store, await requireMember(store, name)), () => false);
  }
  if (!isOrphan(store, member)) return reachedOf(await reachable(store, member), () => false);
  const { adoptAndTell } = await adopting();
  const adopted = await adoptAndTell(store, [name]);
  return reachedOf(await reachable(store, await requireMember(store, name)), () => adopted.length === 0);
}

/** The same facts once the member's SSH port is open: a gateway that has died is waited for. */
async function reachable(store: Store, member: MemberFacts): Promise<MemberFacts> {
  if (!member.report?.ssh) return member;
  return { ...member, report: await reachMember(store, member.name) };
}

function isOrphan(store: Store, { name, report, silence }: MemberFacts): boolean {
  return !report && !silence && orphanGroup(observeGroups(store), name) !== undefined;
}

/**
 * A member that runs, or whose cloud-init runs. @throws {FleetboxError} `conflict`: it does not run.
 */
export function reachedOf({ name, report, silence }: MemberFacts, isOrphan: () => boolean): ReachedMember {
  if (silence) throw silence;
  if (isReached(report)) return report;
  const refuse = (found: string, hint: string) =>
    new FleetboxError("conflict", `Cannot reach "${name}": it ${found}`, { hint });
  if (!report && isOrphan()) throw refuse("is without a holder, which was killed", `Adopt it: fleetbox up ${name}`);
  if (!report || report.state === "stopped") throw refuse("is not running", `Boot it: fleetbox up ${name}`);
  if (report.state === "error") {
    throw refuse(
      `failed: ${report.failure?.message ?? report.error ?? "?"}`,
      `Look at its console: fleetbox logs ${name}`,
    );
  }
  throw refuse(`is still booting (${report.stage ?? report.state})`, `Wait for it: fleetbox wait ${name}`);
}
