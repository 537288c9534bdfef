/** `fleetbox ls --repair`: adopts all orphaned machines, and removes the remains of dead groups. */

import type { Store } from "../store.ts";
import { observeGroups, orphansOf } from "../control/observe.ts";
import { warn } from "./terminal/output.ts";
import { adoptAndConnect, adoptedNote } from "../control/adopt.ts";

/** @returns the errors, so that the list is still printed. */
export async function repair(store: Store): Promise<unknown[]> {
  try {
    const taken = await adoptAndConnect(store, orphansOf(observeGroups(store)));
    if (taken.length > 0) warn(adoptedNote(taken));
    return [];
  } catch (thrown) {
    return [thrown];
  }
}
