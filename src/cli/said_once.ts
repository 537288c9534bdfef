/**
 * What a user hears once on a host, and not at every start: that machines are emulated. `doctor` tells it at any time.
 *
 * What was said lies in the store, with the host's name, as a home directory may be shared by several hosts. Another text
 * is news.
 */

import { writeDurably } from "../system/files.ts";
import type { Store } from "../store.ts";

/** Whether a sentence has not been said on this host; from now on it has. A store that cannot be written costs a repetition. */
export async function isNews(store: Store, sentence: string): Promise<boolean> {
  const said = JSON.stringify({ host: Deno.hostname(), sentence }) + "\n";
  try {
    if (Deno.readTextFileSync(store.saidOnce) === said) return false;
  } catch { /* nothing was said */ }
  await writeDurably(store.saidOnce, said, { sync: false }).catch(() => {});
  return true;
}
