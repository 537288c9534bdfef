/** What must not run when all is removed, how it is ended, and the removal: one part after the other, the key last. */

import { observeGroups } from "../../control/observe.ts";
import { endRecorder, storedTraces } from "../../control/recording/traces.ts";
import { SILENT } from "../../control/progress.ts";
import { pause } from "../../core/deadline.ts";
import { FleetboxError } from "../../core/errors.ts";
import { listed } from "../../core/names.ts";
import type { Store } from "../../store.ts";
import { exists, namesIn } from "../../system/files.ts";
import { chosenNames, stopMembers } from "../commands/stop.ts";
import { throwAll } from "../error_text.ts";
import { findLeftovers } from "../leftovers.ts";
import { Interrupt } from "../terminal/interrupt.ts";
import { progressFor } from "../terminal/progress.ts";
import { inOrder, type OwnPart } from "./part.ts";
import { emptyDirectories } from "./store_parts.ts";

/** How long a holder may take to leave after its last member. */
const LEAVE_MS = 20_000;

interface Running {
  /** Members that a holder serves, or whose machine runs without one. */
  names: string[];
  /** Members of running programs. */
  spared: string[];
}

export async function whatRuns(store: Store): Promise<Running> {
  return exists(store.root) ? await chosenNames(store, [], true, "uninstall") : { names: [], spared: [] };
}

/** Why nothing is removed now; undefined: it can begin. */
export function inUse({ names, spared }: Running, { force }: { force?: boolean }): FleetboxError | undefined {
  if (spared.length > 0) {
    return new FleetboxError("conflict", `A running program owns ${listed(spared)}; nothing was removed`, {
      hint: "End that program, and run fleetbox uninstall again.",
    });
  }
  if (names.length === 0 || force) return undefined;
  return new FleetboxError("conflict", `Still running: ${listed(names)}; nothing was removed`, {
    hint: "fleetbox stop --all, or fleetbox uninstall --force, which cuts their power",
  });
}

/** Ends members, recorders and gateways, and waits until no holder is left. @throws what could not be ended */
export async function endAll(store: Store, { names }: Running, flags: { json?: boolean }): Promise<void> {
  const silent = { ...SILENT, notRunning() {}, end() {} }; // its JSON is one object, at the end
  const progress = flags.json ? silent : progressFor(names);
  using interrupt = new Interrupt(() => void progress.end());
  // Their disks will be deleted, so the guests are not asked to shut down.
  const { failures } = await stopMembers(store, names, { force: true, graceMs: 0, signal: interrupt.signal }, progress);
  progress.end();
  if (interrupt.happened) throw new FleetboxError("interrupted", "Interrupted; nothing was removed");
  throwAll(failures);
  for (const trace of storedTraces(store)) await endRecorder(trace);
  for (const { kind, remove } of await findLeftovers(store)) if (kind === "gateway") await remove();
  const began = performance.now();
  for (;;) {
    const holders = observeGroups(store).filter(({ holderAlive, isComingBack }) => holderAlive || isComingBack);
    if (holders.length === 0) return;
    if (performance.now() - began > LEAVE_MS) {
      throw new FleetboxError("timeout", `The holder of ${listed(holders.map(({ group }) => group))} has not ended`, {
        hint: "Run fleetbox uninstall again.",
      });
    }
    await pause(20); // another process's end is no event
  }
}

/**
 * Removes all parts that are there now. While a member stays, all that it may be based on stays, too.
 * @param find what is there
 */
export async function removeParts(
  store: Store,
  find: () => OwnPart[],
): Promise<{ removed: OwnPart[]; failures: unknown[] }> {
  const [removed, failures]: [OwnPart[], unknown[]] = [[], []];
  const before = inOrder(find());
  for (const part of before) {
    if (part.kind !== "member" && failures.length > 0) break;
    try {
      await part.remove();
      if (exists(part.path)) throw new FleetboxError("conflict", `Cannot remove ${part.path}: something still uses it`);
      removed.push(part);
    } catch (cause) {
      const isOurs = cause instanceof FleetboxError;
      failures.push(isOurs ? cause : new FleetboxError("failed", `Cannot remove ${part.path}`, { cause }));
    }
  }
  if (failures.length > 0) return { removed, failures };
  // What the removal itself has made: locks.
  for (const part of inOrder(find())) if (part.kind !== "member") await part.remove();
  for (const path of emptyDirectories(store)) {
    if (exists(path) && namesIn(path).length === 0) await Deno.remove(path).catch(() => {});
  }
  return { removed, failures };
}
