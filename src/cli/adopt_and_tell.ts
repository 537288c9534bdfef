/** Adopts orphans for the commands that need them, and reports it. */

import { resolveHelper } from "../../helper/resolve.ts";
import { adoptAndConnect, adoptedNote } from "../control/adopt.ts";
export { untilAdopted } from "../control/adopt.ts";
import { type MemberFacts, observeGroups, orphansOf } from "../control/observe.ts";
import type { Store } from "../store.ts";
import { requireMember } from "./arguments/store_access.ts";
import { warn } from "./terminal/output.ts";

/** Adopts the groups in which one of these members is an orphan, and reports it. @returns the members that are served again */
export async function adoptAndTell(store: Store, names: readonly string[]): Promise<string[]> {
  const adopted = await adoptAndConnect(store, names, resolveHelper);
  if (adopted.length > 0) warn(adoptedNote(adopted));
  return adopted;
}

/** The same of members that must exist. @returns what they were before that. @throws {FleetboxError} `not-found`: one does not; none is adopted then */
export async function requireAndAdopt(store: Store, names: readonly string[]): Promise<MemberFacts[]> {
  const looks = await Promise.allSettled(names.map((name) => requireMember(store, name)));
  for (const look of looks) if (look.status === "rejected") throw look.reason;
  await adoptAndTell(store, names);
  return looks.flatMap((look) => look.status === "fulfilled" ? [look.value] : []);
}

/**
 * `fleetbox ls --repair`: adopts all orphaned machines, and removes the remains of dead groups.
 * @returns the errors, so that the list is still printed.
 */
export async function repair(store: Store): Promise<unknown[]> {
  try {
    await adoptAndTell(store, orphansOf(observeGroups(store)));
    return [];
  } catch (thrown) {
    return [thrown];
  }
}
