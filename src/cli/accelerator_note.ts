/** One line, once a host: without hardware acceleration machines run ten times slower, and a user wants to know why. */

import { getGroup } from "../control.ts";
import type { Store } from "../store.ts";
import { isNews } from "./said_once.ts";

/** Says with what the machines of a member's group are emulated, when they are and this host has not been told. */
export async function noteAccelerator(store: Store, via: string, note: (text: string) => void): Promise<void> {
  try {
    const accelerator = (await getGroup(store, via))?.accelerator;
    if (!accelerator?.fallback) return;
    if (await isNews(store, accelerator.reason)) note(shortReason(accelerator.reason));
  } catch { /* the wait reports the holder's problem */ }
}

/** A reason in one line: what the hypervisor said is left to `doctor` and `status` when it takes more. */
export function shortReason(reason: string): string {
  return reason.length <= 79 ? reason : reason.replace(/(: .*?) \(.*$/s, "$1");
}
