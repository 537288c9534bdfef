/** Waits for the end of members, which the `watch` stream reports. */

import { getReport, watch } from "./members.ts";
import type { Store } from "../store.ts";

/** The stream does not report what happened before it was opened, so the state is asked again this often. */
const ASK_AGAIN_MS = 2_000;

/** Waits until no holder serves the members, or the signal fires. */
export async function untilGone(store: Store, names: readonly string[], signal: AbortSignal): Promise<void> {
  await Promise.all(names.map(async (name) => {
    while (!signal.aborted && await getReport(store, name).catch(() => undefined)) {
      const bounded = AbortSignal.any([signal, AbortSignal.timeout(ASK_AGAIN_MS)]);
      for await (const event of watch(store, name, bounded)) {
        if (event.event === "gone" && event.name === name) break;
      }
    }
  }));
}
