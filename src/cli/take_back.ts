/** A killed holder's machines: a new holder takes them back, so that they can be stopped like any others. */

import { resolveHelper } from "../../helper/resolve.ts";
import { spawn } from "../control.ts";
import { codeOf } from "../errors.ts";
import { sweepGroups } from "../orphans.ts";
import type { Store } from "../store.ts";
import { observeGroups, orphanGroup } from "./observe.ts";

/**
 * Takes back every machine of the groups in which one of these members is an orphan, and sweeps groups of which no
 * machine runs.
 * @returns the members that are served again.
 */
export async function takeBack(store: Store, names: readonly string[]): Promise<string[]> {
  sweepGroups(store);
  const groups = observeGroups(store);
  const orphaned = new Set(names.map((name) => orphanGroup(groups, name)).filter((group) => group !== undefined));
  const taken = await Promise.all([...orphaned].map(async ({ machinesAlive }) => {
    try {
      await spawn(store, {
        exe: await resolveHelper(store),
        names: machinesAlive.filter((name) => names.includes(name)),
      });
    } catch (thrown) {
      if (codeOf(thrown) !== "conflict") throw thrown; // else: another command has just done the same
    }
    return machinesAlive;
  }));
  return taken.flat();
}
