/**
 * What a holder that was killed in the middle of a checkpoint or a restore has left of a machine, and what the holder
 * that adopts it makes good.
 *
 * Paused: it is resumed, whether it was being saved or had just been restored, unless a fault pauses it. On another disk than its config says: the
 * config is written first, and the machine is moved now; until then the disk of the config is an empty overlay on the file
 * that it writes. Waiting for a saved state that nobody gives it any more, or for the other members of its checkpoint: nothing
 * has run in it yet, so it is ended, and its next start goes on from the state that it still has.
 */

import { FleetboxError, messageOf } from "../../core/errors.ts";
import { discardSuspended, isSuspended } from "../../store/snapshots.ts";
import { writeLogOf } from "../../store/disk.ts";
import { removeIfThere } from "../../system/files.ts";
import type { Machine, MachineState } from "../../vmm/contract.ts";
import { describe, log } from "../log.ts";
import { makeLog } from "../power_cut/write_log.ts";
import type { Member } from "./member.ts";

/** A machine was ended in which nothing had run since it was started: its member can be started again. */
export class NeverRan extends FleetboxError {}

/** The run state of a paused machine that was saved. */
const SAVED = "postmigrate";

/**
 * The state of a machine that is adopted; undefined when it cannot be asked.
 * @throws {NeverRan} it was ended
 */
export async function stateLeft(
  { name, context: { store } }: Member,
  machine: Machine,
): Promise<MachineState | undefined> {
  const state = await machine.state().catch((thrown) => void log(`${name}: cannot ask it: ${describe(thrown)}`));
  const isWaiting = state?.kind === "paused" && state.detail !== SAVED && isSuspended(store, name);
  if (state?.kind !== "unloaded" && !isWaiting) return state;
  await machine.kill();
  throw new NeverRan("failed", `"${name}" had not been restored when its holder was killed; nothing ran in it yet`, {
    hint: `Start it again: fleetbox up ${name}`,
  });
}

/** Lets an adopted machine go on, on the disk of its config. @throws {FleetboxError} `failed`: it stays paused */
export async function goOn(member: Member, machine: Machine, disk: string, state?: MachineState): Promise<void> {
  const { name } = member;
  if (state?.kind === "io-error") {
    const reason = state.detail === "nospace" ? "disk-full" : "disk-error";
    member.pauses.afterDiskError(reason, "a write failed before its holder was killed");
  }
  if (state?.kind === "paused" && !member.context.faults().isPaused(name)) {
    log(`${name}: it was paused when its holder was killed: resuming`);
    await discardSuspended(member.context.store, name); // of a suspension that did not come to its end
    await machine.resume();
  }
  if (member.config?.disk_file === undefined) return; // it never had another one
  try {
    const { config, context: { store } } = member;
    // After a failed write its log has a gap: it starts over when it goes on.
    const hasGap = state?.kind === "io-error";
    if (hasGap) removeIfThere(writeLogOf(store, config));
    await machine.moveToOverlay(disk, hasGap ? undefined : makeLog(store, config));
  } catch (thrown) {
    log(`${name}: it writes to its earlier disk until it is started again: ${messageOf(thrown)}`);
  }
}
