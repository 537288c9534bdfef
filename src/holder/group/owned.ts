/** The members of a bound group, once its client is gone: they go with it, disk and all. */

import { removeMember } from "../../store/remove.ts";
import type { Store } from "../../store.ts";
import { exists, removeIfThere } from "../../system/files.ts";
import type { ProcessIdentity } from "../../system/process.ts";
import { describe, log } from "../log.ts";

/**
 * Removes the members of these that belong to a client, and the holder's log when none is left. A member that somebody else has
 * started meanwhile stays.
 */
export async function removeOwned(
  store: Store,
  names: readonly string[],
  { owner, holderLog }: { owner: ProcessIdentity; holderLog: string },
): Promise<void> {
  const isOwned = (name: string) => {
    const stored = store.readMember(name);
    if (!stored) return exists(store.member(name).dir); // it did not come as far as a config
    const found = "config" in stored ? stored.config.owner : undefined;
    return found?.pid === owner.pid && found.startTime === owner.startTime;
  };
  await Promise.all(
    names.filter(isOwned).map(async (name) => {
      try {
        await removeMember(store, name, { isStillWanted: () => isOwned(name) });
      } catch (thrown) {
        log(`${name}: cannot remove it: ${describe(thrown)}`);
      }
    }),
  );
  if (!names.some((name) => store.readMember(name))) removeIfThere(holderLog);
}
