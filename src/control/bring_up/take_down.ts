/** Undoes what a command has started that fails, or is interrupted. */

import { FleetboxError } from "../../core/errors.ts";
import { listed } from "../../core/names.ts";
import type { Options } from "../../core/options.ts";
import type { Store } from "../../store.ts";
import { isSuspended } from "../../store/snapshots.ts";
import { getReport, stop } from "../members.ts";
import type { MemberFacts } from "../observe.ts";
import type { Progress } from "../progress.ts";
import { removeLogs, removeStopped } from "../remove.ts";

/** How long a guest that already ran may take to shut down when its command is undone. */
const UNDO_GRACE_MS = 10_000;

/** A member that this call started. */
export interface Started {
  name: string;
  /** Whether it did not exist before. */
  isNew: boolean;
  /** Whether it was to go on from its suspended state. */
  wasSuspended: boolean;
}

/** A member that is about to be started. */
export function startedFrom(store: Store, { name, stored }: MemberFacts, { cold, snapshot }: Options): Started {
  const wasSuspended = !cold && snapshot === undefined && isSuspended(store, name);
  return { name, isNew: stored === undefined, wasSuspended };
}

/** Those that an undo takes down, and those that run on: see {@link takeDown}. */
export function undoOf(store: Store, started: readonly Started[]): { down: Started[]; runOn: Started[] } {
  const runOn = started.filter(({ name, wasSuspended }) => wasSuspended && !isSuspended(store, name));
  return { down: started.filter((one) => !runOn.includes(one)), runOn };
}

/** The last that was told of them may be that they run. */
export function tellUndo(progress: Progress, why: "failed" | "interrupted", started: readonly Started[]): void {
  if (started.length > 0) progress.note(`${why}: taking ${listed(started.map(({ name }) => name))} down again`);
}

/**
 * Stops members that this call started, and removes those that it made. One that has gone on from its suspended state runs on, and that
 * is told: what was in its memory is nowhere else.
 * @returns the names of those that were stopped
 */
export async function takeDown(
  store: Store,
  started: readonly Started[],
  why: "failed" | "interrupted",
  progress: Progress,
): Promise<string[]> {
  const { down, runOn } = undoOf(store, started);
  const names = down.map(({ name }) => name);
  tellUndo(progress, why, down);
  const results = await Promise.allSettled(down.map(async ({ name, isNew }) => {
    const running = (await getReport(store, name).catch(() => undefined))?.state === "running";
    // A guest that is up on an older disk gets time to shut down. Others are ended at once.
    await stop(store, name, { force: isNew || !running, graceMs: UNDO_GRACE_MS });
    if (isNew) await removeStopped(store, name);
  }));
  removeLogs(store, names);
  if (runOn.length > 0) {
    progress.note(`left running: ${listed(runOn.map(({ name }) => name))}: what was suspended is nowhere else`);
  }
  const failure = results.find((result) => result.status === "rejected");
  if (failure) {
    throw new FleetboxError("failed", `Not all of ${listed(names)} could be stopped`, {
      cause: failure.reason,
      hint: "List the members: fleetbox ls",
    });
  }
  return names;
}
