/**
 * The log of a member's writes, from which a power cut makes the disk that it leaves.
 *
 * A log belongs to one disk, whose name it has: it began when that was an empty overlay on the first of the member's layers.
 * So a member whose writes are logged gets a new disk at each start, whose base is the one that it had. A log that is not whole is
 * removed, and then there can be no such power cut until another one begins.
 *
 * A long one starts over, and so does one that is gone because a write failed: the machine is moved to a new disk, with a log
 * of its own. It is paused for that, which counts as a flush.
 */

import { variable } from "../../core/environment.ts";
import { messageOf } from "../../core/errors.ts";
import { parseSizeMiB } from "../../core/options.ts";
import type { MemberConfig, Store } from "../../store.ts";
import { diskOf, writeLogOf } from "../../store/disk.ts";
import { removeOldWriteLogs } from "../../store/remove.ts";
import { collectLayers, freezeDisk, unlinkFrozen } from "../../store/snapshots.ts";
import { exists, removeIfThere } from "../../system/files.ts";
import type { DiskTools, MachineEvent } from "../../vmm/contract.ts";
import { describe, log } from "../log.ts";
import { prepareFreeze, removeOldDisks } from "../member/freeze.ts";
import type { MachineRun } from "../member/machine_run.ts";
import type { Member } from "../member/member.ts";

/** How long a log may become, such as `512M`. */
const LIMIT_VARIABLE = "FLEETBOX_WRITE_LOG";

/** With so many layers below its disk, the disk is made to need none of them. Each costs time with each read, and memory. */
const MAX_LAYERS = 16;

/**
 * Begins a log for a member that is about to start: its disk becomes the base of a new one. The caller holds its lock.
 * @param image what its last layer is based on
 * @param boots whether it does not go on where a saved machine was: then no disk but its own needs its layers
 */
export async function beginLog(
  store: Store,
  before: MemberConfig,
  image: { disk: string; format: "raw" | "qcow2" },
  { disks, boots }: { disks: DiskTools; boots: boolean },
): Promise<MemberConfig> {
  removeOldWriteLogs(store, before);
  removeIfThere(writeLogOf(store, before));
  if (!before.log_writes) return before;
  let config = before;
  if (boots && (config.layers?.length ?? 0) >= MAX_LAYERS) {
    const { layers: _, ...merged } = config;
    await disks.merge(diskOf(store, config), image);
    await store.writeConfig(config = merged);
    await collectLayers(store);
  }
  config = await freezeDisk(store, config, disks.overlay);
  await unlinkFrozen(store, config);
  makeLog(store, config);
  return config;
}

/** Makes the empty log of a disk that its machine does not have yet. @returns its path; undefined: its writes are not logged */
export function makeLog(store: Store, config: MemberConfig): string | undefined {
  if (!config.log_writes) return undefined;
  const path = writeLogOf(store, config);
  try {
    Deno.openSync(path, { write: true, createNew: true, mode: 0o600 }).close();
  } catch (thrown) {
    // A holder that was killed has made it; had the machine got it, it would have the disk, too.
    if (!(thrown instanceof Deno.errors.AlreadyExists)) throw thrown;
  }
  return path;
}

/** Watches the log of a machine, until its end. */
export function watchLog(member: Member, run: MachineRun): void {
  if (member.config?.log_writes) run.defer(run.machine.onEvent((event) => onEvent(member, run, event)));
}

/** Its guest answers: from now on its log may start over. */
export async function keepLogShort(member: Member, run: MachineRun): Promise<void> {
  const { name, config, context: { store } } = member;
  if (!config?.log_writes) return;
  if (run.isLogBroken || !exists(writeLogOf(store, config))) return await startOver(member, run, "a write had failed");
  try {
    await limitLog(member, run);
  } catch (thrown) {
    log(`${name}: its log of writes: ${messageOf(thrown)}`);
  }
}

/** By default a log may be as long as the disk. @throws {FleetboxError} `misuse`: the user's own limit is none */
async function limitLog({ config }: Member, { machine }: MachineRun): Promise<void> {
  const own = variable(LIMIT_VARIABLE);
  const limitMiB = own === undefined ? config!.disk_mb : parseSizeMiB(own, LIMIT_VARIABLE);
  await machine.limitWriteLog(limitMiB * 1024 * 1024);
}

function onEvent(member: Member, run: MachineRun, event: MachineEvent): void {
  const { context: { store }, config } = member;
  if (event.kind === "writeLogLong") void startOver(member, run, "it is long");
  else if (event.kind === "ioError" && !event.mayBeFault) { // a fault's requests do not reach the log
    // The log may have a hole now. Without it nobody takes it for whole, also if this holder is killed.
    removeIfThere(writeLogOf(store, config!));
    run.isLogBroken = true;
  } else if (event.kind === "resumed" && run.isLogBroken) void startOver(member, run, "a write had failed");
}

async function startOver(member: Member, run: MachineRun, why: string): Promise<void> {
  const { name, context: { store, inTurn } } = member;
  try {
    await inTurn(async () => {
      const { now } = member.phases;
      if (now.kind !== "running" || now.run !== run) return;
      const frozen = await prepareFreeze(member);
      await run.machine.moveToOverlay(frozen.next, frozen.nextLog);
      run.isLogBroken = false;
      await removeOldDisks(store, name);
      await limitLog(member, run);
      log(`${name}: its log of writes starts over: ${why}`);
    });
  } catch (thrown) {
    log(`${name}: its log of writes does not start over: ${describe(thrown)}`);
  }
}
