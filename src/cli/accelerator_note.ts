/** The note about missing hardware acceleration, once a host: machines run ten times slower, and users want to know why. */

import { getGroup } from "../control.ts";
import type { Store } from "../store.ts";
import { isNews } from "./said_once.ts";

/** Says why a member's group runs without hardware acceleration, unless this host's users were told before. */
export async function noteAccelerator(store: Store, via: string, note: (text: string) => void): Promise<void> {
  try {
    const accelerator = (await getGroup(store, via))?.accelerator;
    if (!accelerator?.fallback) return;
    if (await isNews(store, accelerator.reason)) note(shortReason(accelerator.reason));
  } catch { /* the wait reports the holder's problem */ }
}

/** A reason in one line: a longer message of the hypervisor is left to `doctor` and `status`. */
export function shortReason(reason: string): string {
  return reason.length <= 79 ? reason : reason.replace(/(: .*?) \(.*$/s, "$1");
}
