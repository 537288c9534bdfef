/**
 * What is being made: a directory beside its place, named after the process that makes it. `Store.sweepTemporary` removes it when
 * that process is gone.
 */

import { join } from "../../core/paths.ts";
import { storeError, temporaryOf, writerOf } from "../../system/files.ts";
import type { Store } from "../../store.ts";
import { makeSnapshotDirectories } from "./lock.ts";
import { MAKING, snapshotPaths } from "./paths.ts";

/** A new directory for a template or a checkpoint. @throws {FleetboxError} `no-space`, `denied` or `failed` */
export function newMaking(store: Store): string {
  makeSnapshotDirectories(store);
  const making = temporaryOf(join(snapshotPaths(store).dir, MAKING));
  try {
    Deno.mkdirSync(making, { mode: 0o700 });
  } catch (cause) {
    throw storeError(`Cannot make ${making}`, cause);
  }
  return making;
}

/** Removes what was being made. Never fails: what stays is swept when this process is gone. */
export async function discardMaking(making: string): Promise<void> {
  if (writerOf(making) === undefined) return; // it is something else
  await Deno.remove(making, { recursive: true }).catch(() => {});
}
