/** Checkpoints that belong to a program: they go with it. A user's have no owner, and stay. */

import { isName } from "../../core/names.ts";
import { join } from "../../core/paths.ts";
import { namesIn, temporaryOf } from "../../system/files.ts";
import type { ProcessIdentity } from "../../system/process.ts";
import type { Store } from "../../store.ts";
import { REMOVED, snapshotPaths } from "./paths.ts";
import { readCheckpoint } from "./read.ts";
import { removeCheckpoint } from "./remove.ts";

/** The checkpoints whose program has ended. Damaged ones are not among them: they do not say whose they are. */
export function abandonedCheckpoints(store: Store, isAlive: (owner: ProcessIdentity) => boolean): string[] {
  return namesIn(snapshotPaths(store).checkpointsDir).filter(isName).filter((name) =>
    isAbandoned(store, name, isAlive)
  );
}

/**
 * Removes a checkpoint if its program has ended; false when it is another's by now, or gone.
 * @throws {FleetboxError} `denied`, `failed`
 */
export async function removeAbandoned(
  store: Store,
  name: string,
  isAlive: (owner: ProcessIdentity) => boolean,
): Promise<boolean> {
  return await removeCheckpoint(store, name, () => isAbandoned(store, name, isAlive));
}

function isAbandoned(store: Store, name: string, isAlive: (owner: ProcessIdentity) => boolean): boolean {
  try {
    const owner = readCheckpoint(store, name)?.owner;
    return owner !== undefined && !isAlive(owner);
  } catch {
    return false;
  }
}

/**
 * Removes a checkpoint of a program that ends in this moment and cannot wait for locks. Its layers go with the next removal.
 * Never fails: what stays has a dead owner.
 */
export function dropCheckpoint(store: Store, name: string): void {
  const { dir, checkpoint } = snapshotPaths(store);
  const doomed = temporaryOf(join(dir, REMOVED));
  try {
    Deno.renameSync(checkpoint(name).dir, doomed);
    Deno.removeSync(doomed, { recursive: true });
  } catch { /* it is gone, or is swept later */ }
}
