/** Deletes members that are down, one after the other, and tells each. What cannot be deleted keeps no other one from it. */

import { removeStopped } from "../../control/remove.ts";
import type { Store } from "../../store.ts";
import { say } from "../terminal/output.ts";

/** @returns those that are gone, and why others are not */
export async function removeEach(
  store: Store,
  names: readonly string[],
  { json }: { json?: boolean },
): Promise<{ removed: string[]; failures: unknown[] }> {
  const removed: string[] = [];
  const failures: unknown[] = [];
  for (const name of names) {
    try {
      await removeStopped(store, name);
      removed.push(name);
      if (!json) say(`${name} removed`);
    } catch (thrown) {
      failures.push(thrown);
    }
  }
  return { removed, failures };
}
