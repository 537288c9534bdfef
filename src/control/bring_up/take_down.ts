/** Undoes what a command has started that fails, or is interrupted. */

import { FleetboxError } from "../../core/errors.ts";
import { listed } from "../../core/names.ts";
import type { Store } from "../../store.ts";
import { getReport, stop } from "../members.ts";
import { removeLogs, removeStopped } from "../remove.ts";

/** How long a guest that already ran may take to shut down when its command is undone. */
const UNDO_GRACE_MS = 10_000;

/** A member that this call started. */
export interface Started {
  name: string;
  /** Whether it did not exist before. */
  isNew: boolean;
}

/** Stops members that this call started, and removes those that it made. */
export async function takeDown(store: Store, started: readonly Started[]): Promise<void> {
  const results = await Promise.allSettled(started.map(async ({ name, isNew }) => {
    const running = (await getReport(store, name).catch(() => undefined))?.state === "running";
    // A guest that is up on an older disk gets time to shut down. Others are ended at once.
    await stop(store, name, { force: isNew || !running, graceMs: UNDO_GRACE_MS });
    if (isNew) await removeStopped(store, name);
  }));
  removeLogs(store, started.map(({ name }) => name));
  const failure = results.find((result) => result.status === "rejected");
  if (failure) {
    throw new FleetboxError("failed", `Not all of ${listed(started.map(({ name }) => name))} could be stopped`, {
      cause: failure.reason,
      hint: "List the members: fleetbox ls",
    });
  }
}
