/** Waiting for the end of members, which the `watch` stream tells. */

import { getReport, watch } from "./members.ts";
import type { Store } from "../store.ts";

/** What happened between the question and the stream is not told by the stream: it is asked again so often. */
const ASK_AGAIN_MS = 2_000;

/** Waits until nobody serves the members, or the signal fires. */
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
