/**
 * Notices that are shown once on a host, not at every start: that machines run without KVM. `doctor` always shows it.
 *
 * The last notice is in the store, with the host's name, because several hosts may share a home directory. Another text
 * is shown again.
 */

import { readIfThere, writeDurably } from "../system/files.ts";
import type { Store } from "../store.ts";

/**
 * Whether a notice is new on this host; afterwards it is not. If the store cannot be written, the notice is repeated.
 */
export async function isNews(store: Store, sentence: string): Promise<boolean> {
  const said = JSON.stringify({ host: Deno.hostname(), sentence }) + "\n";
  if (readIfThere(store.saidOnce) === said) return false;
  await writeDurably(store.saidOnce, said, { sync: false }).catch(() => {});
  return true;
}
