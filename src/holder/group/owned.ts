/** Members and checkpoints that go with what made them: a boot that failed, or a client that is gone. */

import { removeMember } from "../../store/remove.ts";
import { abandonedCheckpoints, removeAbandoned } from "../../store/snapshots.ts";
import type { Store } from "../../store.ts";
import { hasDisk } from "../../store/disk.ts";
import { endsWithin } from "../../system/end_processes.ts";
import { exists, removeIfThere } from "../../system/files.ts";
import { isAlive, isSameProcess, type ProcessIdentity } from "../../system/process.ts";
import { describe, log } from "../log.ts";
import type { Member } from "../member/member.ts";
import { giveBackReplaced } from "../snapshots/replaced.ts";

/** How long a client's process may outlive its connection: one that was killed closes that first, 20 ms before on a busy host. */
const CLIENT_END_MS = 300;

/**
 * Removes the members of these that belong to a client, and the holder's log when none is left; if the client has ended, also
 * its checkpoints. A member that somebody else has started meanwhile stays.
 */
export async function removeOwned(
  store: Store,
  names: readonly string[],
  { owner, holderLog }: { owner: ProcessIdentity; holderLog: string },
): Promise<void> {
  const isOwned = (name: string) => {
    const stored = store.readMember(name);
    if (!stored) return exists(store.member(name).dir); // it has no config yet
    return isSameProcess("config" in stored ? stored.config.owner : undefined, owner);
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
  await mayEnd(store, owner);
  await removeAbandonedCheckpoints(store);
}

/** Waits a moment for the end of a client that has checkpoints: nobody else would remove them now. */
async function mayEnd(store: Store, owner: ProcessIdentity): Promise<void> {
  if (abandonedCheckpoints(store, (other) => !isSameProcess(other, owner)).length === 0) return;
  await endsWithin(owner, CLIENT_END_MS);
}

/** Those of clients that have ended. A client that has only closed this group keeps its own: it may fork them later. */
async function removeAbandonedCheckpoints(store: Store): Promise<void> {
  await Promise.all(
    abandonedCheckpoints(store, isAlive).map(async (name) => {
      try {
        await removeAbandoned(store, name, isAlive);
      } catch (thrown) {
        log(`cannot remove the checkpoint ${name}: ${describe(thrown)}`);
      }
    }),
  );
}

/**
 * Undoes what a failed boot did: removes what it created, its directory alone, it may be, or gives back what it replaced. A failure is in the log.
 * @param isWanted false: a member that the boot made stays, as its client asked
 */
export async function removeCreated(store: Store, member: Member, isWanted: boolean): Promise<boolean> {
  const { name, paths } = member;
  await giveBackReplaced(member);
  const isBlank = !exists(paths.config) && !hasDisk(paths.dir);
  if (!isBlank && !(member.created && isWanted)) return false;
  try {
    await removeMember(store, name, { isServedHere: true });
    member.config = undefined;
    log(`${name}: removed again`);
    return true;
  } catch (thrown) {
    log(`${name}: cannot remove it: ${describe(thrown)}`);
    return false;
  }
}
