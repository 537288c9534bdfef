/**
 * Takes a template of a new member that has just become ready, before anybody is told that it runs: so nothing of its user's
 * is in it.
 *
 * The machine is paused for as long as its devices and its memory are copied. Making the copy last, and visible, comes
 * after it goes on. Whatever fails, the machine goes on, and there is no template.
 */

import { FleetboxError, messageOf } from "../../core/errors.ts";
import { exists } from "../../system/files.ts";
import { freeBytes } from "../../system/free_bytes.ts";
import { discardMaking, newMaking, publishTemplate, snapshotFilesIn } from "../../store/snapshots.ts";
import type { MachineRun } from "../member/machine_run.ts";
import type { Member } from "../member/member.ts";
import type { Prepared } from "../member/prepare.ts";
import { finishFreeze, prepareFreeze, removeOldDisks } from "../member/freeze.ts";
import { describe, log } from "../log.ts";
import type { NextTemplate } from "./warm_start.ts";

/** Room that must be left beside a template: it is a cache, and disks matter more. */
const SPARE_BYTES = 512 * 1024 * 1024;

export interface TemplateRequest {
  member: Member;
  run: MachineRun;
  prepared: Prepared;
  next: NextTemplate;
  signal: AbortSignal;
}

/**
 * Saves the machine. @returns the rest of the work, which is done while the machine runs; undefined: there is no template.
 * @throws the signal's reason; {FleetboxError} `failed`: the machine cannot go on
 */
export async function takeTemplate(request: TemplateRequest): Promise<(() => Promise<void>) | undefined> {
  const { member, run: { machine }, prepared, signal } = request;
  const { name, paths, context: { store } } = member;
  let making: string | undefined;
  try {
    await checkRoom(store.root, prepared.config.memory_mb);
    making = newMaking(store);
    const files = snapshotFilesIn(making);
    const frozen = await prepareFreeze(member);
    await machine.pause();
    try {
      await finishFreeze(machine, frozen);
      await machine.save({ devices: files.devices, memory: files.memory, socket: paths.snapshotSocket }, signal);
      if (exists(paths.efiVars)) await Deno.copyFile(paths.efiVars, files.efiVars);
    } finally {
      await machine.resume();
    }
    await removeOldDisks(store, name);
    for (const index of prepared.config.fixtures.keys()) {
      await Deno.link(paths.sharedDirectoryImage(index), files.sharedDirectoryImage(index));
    }
    const made = making;
    return () => publish(request, made);
  } catch (thrown) {
    if (making) await discardMaking(making);
    signal.throwIfAborted();
    if ((await machine.state()).kind !== "running") throw thrown;
    member.tell(`no template is taken: ${messageOf(thrown)}`);
    log(`${name}: no template is taken: ${describe(thrown)}`);
    return undefined;
  }
}

async function checkRoom(dir: string, memoryMiB: number): Promise<void> {
  const free = await freeBytes(dir);
  const needed = memoryMiB * 1024 * 1024 + SPARE_BYTES;
  if (free >= needed) return;
  throw new FleetboxError("no-space", `${Math.floor(free / 1024 / 1024)} MiB are free in ${dir}`);
}

async function publish({ member, next }: TemplateRequest, making: string): Promise<void> {
  const { name, config, context: { store } } = member;
  try {
    const outcome = await publishTemplate(store, making, { ...next, config: config! });
    log(`${name}: its template ${next.key}: ${outcome}`);
  } catch (thrown) {
    log(`${name}: no template was made of it: ${describe(thrown)}`);
  }
}
