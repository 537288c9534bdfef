/**
 * A power cut that loses what a member's guest had not flushed.
 *
 *   1. `machine.cutPower()`       its log has all that the guest wrote
 *   2. a new disk                 on the layer that the log began with, with what survives; synced, under a name that nothing has
 *   3. the config names it
 *   4. the old disk, then the log, are removed
 *
 * A holder that is killed between any two leaves one of two disks in the config: the old one, which has all that was flushed, as after the
 * death of any hypervisor, or the new one. What the config does not name is removed at the next start.
 */

import { FleetboxError, messageOf } from "../../core/errors.ts";
import type { Loss, LostWrites } from "../../core/power_cut.ts";
import { diskOf, writeLogOf } from "../../store/disk.ts";
import { removeOtherDisks } from "../../store/remove.ts";
import { nextDiskFile, snapshotPaths } from "../../store/snapshots.ts";
import { exists, namesIn, removeIfThere, replaceFile, storeError, syncPath } from "../../system/files.ts";
import { describe, log } from "../log.ts";
import type { MachineRun } from "../member/machine_run.ts";
import type { Member } from "../member/member.ts";

/** How long a hypervisor may take to answer: one that does not cannot be asked to end in order. */
const ANSWER_MS = 5_000;

/** Checks that a member's power can be cut. @throws {FleetboxError} `conflict`; nothing has changed */
export async function machineToCut({ name, phases: { now }, config, context: { store } }: Member): Promise<MachineRun> {
  const refuse = (why: string, hint: string) =>
    new FleetboxError("conflict", `Cannot cut the power of "${name}" and lose its writes: ${why}`, { hint });
  const isThere = now.kind === "running" || (now.kind === "paused" && now.from.kind === "running");
  if (!isThere) {
    throw refuse(`it is ${now.kind}, expected running`, `End it without that: fleetbox stop --force ${name}`);
  }
  if (!config?.log_writes) {
    throw refuse(
      "its writes are not logged",
      `Log them from its next start on: fleetbox stop ${name}, then fleetbox up ${name} --log-writes`,
    );
  }
  if (!exists(writeLogOf(store, config))) {
    throw refuse(
      "its log of writes has a gap, because a write failed",
      `Another one begins when it goes on, or at its next start: fleetbox stop ${name}, then fleetbox up ${name}`,
    );
  }
  if (!await now.run.machine.answers(ANSWER_MS)) {
    throw refuse("its hypervisor does not answer", `End it without that: fleetbox stop --force ${name}`);
  }
  return now.run;
}

/** Ends the machine, and makes the disk that a power cut leaves. */
export async function cutPower(member: Member, run: MachineRun, loss: Loss): Promise<LostWrites> {
  const { name, config, context: { store } } = member;
  const exit = await run.machine.cutPower(writeLogOf(store, config!));
  log(`${name}: its power was cut: ${exit.message}`);
  await run[Symbol.asyncDispose]();
  try {
    const lost = await rebuildDisk(member, loss);
    log(`${name}: ${lost.lost} of ${lost.unflushed} unflushed writes lost (${loss.mode}, seed ${loss.seed})`);
    return lost;
  } catch (cause) {
    log(`${name}: ${describe(cause)}`);
    throw new FleetboxError(
      "failed",
      `The power of "${name}" was cut, but no write was lost by that: ${messageOf(cause)}`,
      { cause, hint: `What it had flushed is on its disk: fleetbox up ${name}` },
    );
  }
}

async function rebuildDisk({ name, context: { store, driver } }: Member, loss: Loss): Promise<LostWrites> {
  return await store.withMemberLock(name, async () => {
    const config = store.config(name);
    const [layer] = config?.layers ?? [];
    if (!config || layer === undefined) throw new FleetboxError("not-found", `"${name}" has no config with a layer`);
    const writeLog = writeLogOf(store, config);
    const base = { disk: snapshotPaths(store).layer(layer), format: "qcow2" } as const;
    const rebuilt = { ...config, disk_file: nextDiskFile(namesIn(store.member(name).dir)) };
    let lost: LostWrites | undefined;
    try {
      await replaceFile(diskOf(store, rebuilt), async (aside) => {
        lost = await driver.disks.rebuild(aside, base, config.disk_mb, { log: writeLog, loss });
        await syncPath(aside); // before the config that names it
      });
      await store.writeConfig(rebuilt);
    } catch (cause) {
      throw storeError(`Cannot make the disk of "${name}" from its log of writes`, cause);
    }
    removeOtherDisks(store, rebuilt);
    removeIfThere(writeLog);
    return lost!;
  });
}
