/** `fleetbox ls --repair`: takes back whatever runs without a holder, and clears away what is left of dead groups. */

import type { Store } from "../store.ts";
import { observeGroups, orphansOf } from "../control/observe.ts";
import { warn } from "./terminal/output.ts";
import { takeBackAndConnect, takenBack } from "./take_back.ts";

/** @returns what went wrong: the list is told all the same. */
export async function repair(store: Store): Promise<unknown[]> {
  try {
    const taken = await takeBackAndConnect(store, orphansOf(observeGroups(store)));
    if (taken.length > 0) warn(takenBack(taken));
    return [];
  } catch (thrown) {
    return [thrown];
  }
}
