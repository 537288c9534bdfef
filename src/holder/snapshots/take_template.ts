/**
 * Takes a template of a new member that has just become ready, before anybody is told that it runs: so nothing of its user's
 * is in it.
 *
 * What waits for the disk is made ready while the machine boots. It is paused for as long as its devices and its memory are
 * copied. Making the copy last, and visible, comes after it goes on. Whatever fails, the machine goes on, and there is no template.
 */

import { FleetboxError, messageOf } from "../../core/errors.ts";
import { exists } from "../../system/files.ts";
import { freeBytes } from "../../system/room/free_bytes.ts";
import { discardMaking, newMaking, publishTemplate, snapshotFilesIn } from "../../store/snapshots.ts";
import type { Machine } from "../../vmm/contract.ts";
import type { Member } from "../member/member.ts";
import type { Prepared } from "../member/prepare.ts";
import { type FrozenDisk, prepareFreeze, removeOldDisks } from "../member/freeze.ts";
import { checkFree } from "../member/pauses.ts";
import { describe, log } from "../log.ts";
import type { NextTemplate } from "./warm_start.ts";

const MIB = 1024 * 1024;
/** Room that must be left beside a template: it is a cache, and disks matter more. */
const SPARE_BYTES = 512 * MIB;

export interface TemplateRequest {
  member: Member;
  machine: Machine;
  prepared: Prepared;
  next: NextTemplate;
}

/** What a template needs, made ready while the machine boots: that waits for the disk, and a boot for the processor. */
interface Ready {
  making: string;
  frozen: FrozenDisk;
}

/** A template that will be taken of a machine that boots. */
export class ComingTemplate implements AsyncDisposable {
  readonly #request: TemplateRequest;
  readonly #ready: Promise<Ready | Error>;
  #isTaken = false;

  constructor(request: TemplateRequest) {
    this.#request = request;
    this.#ready = getReady(request).catch((thrown) => thrown instanceof Error ? thrown : new Error(String(thrown)));
  }

  /**
   * Saves the machine. @returns the rest of the work, which is done while the machine runs; undefined: there is no template.
   * @throws the signal's reason; {FleetboxError} `failed`: the machine cannot go on
   */
  async take(signal: AbortSignal): Promise<(() => Promise<void>) | undefined> {
    const { member, machine } = this.#request;
    try {
      const ready = await this.#ready;
      if (ready instanceof Error) throw ready;
      await save(this.#request, ready, signal);
      this.#isTaken = true;
      return () => publish(this.#request, ready.making);
    } catch (thrown) {
      signal.throwIfAborted();
      if ((await machine.state()).kind !== "running") throw thrown;
      member.tell(`no template is taken: ${messageOf(thrown)}`);
      if (thrown instanceof NoRoom) member.context.onNote(thrown.told);
      log(`${member.name}: no template is taken: ${describe(thrown)}`);
      return undefined;
    }
  }

  /** Nothing of one that was not taken is left. Its machine still writes to the layer then, which does no harm (`freeze.ts`). */
  async [Symbol.asyncDispose](): Promise<void> {
    const ready = await this.#ready;
    if (!this.#isTaken && !(ready instanceof Error)) await discardMaking(ready.making);
  }
}

async function getReady({ member, machine, prepared: { config } }: TemplateRequest): Promise<Ready> {
  const { paths, context: { store } } = member;
  await Promise.all([checkRoom(store.root, config.memory_mb), machine.prepareSave()]);
  const making = newMaking(store);
  try {
    const files = snapshotFilesIn(making);
    for (const index of config.fixtures.keys()) {
      await Deno.link(paths.sharedDirectoryImage(index), files.sharedDirectoryImage(index));
    }
    return { making, frozen: await prepareFreeze(member) };
  } catch (thrown) {
    await discardMaking(making);
    throw thrown;
  }
}

async function save(
  { member, machine }: TemplateRequest,
  { making, frozen }: Ready,
  signal: AbortSignal,
): Promise<void> {
  const { paths } = member;
  const files = snapshotFilesIn(making);
  checkFree(member);
  await machine.pause();
  try {
    const { devices, memory } = files;
    await machine.save({ devices, memory, socket: paths.snapshotSocket }, { disk: frozen.next, signal });
    if (exists(paths.efiVars)) await Deno.copyFile(paths.efiVars, files.efiVars);
  } finally {
    await machine.resume();
  }
}

/** There is no room for a template. */
class NoRoom extends FleetboxError {
  /** @param told to the user, who would wonder why the next start is not warm; the same of each member */
  constructor(message: string, readonly told: string) {
    super("no-space", message);
  }
}

async function checkRoom(dir: string, memoryMiB: number): Promise<void> {
  const free = await freeBytes(dir);
  const needed = memoryMiB * MIB + SPARE_BYTES;
  if (free >= needed) return;
  const told =
    `no template is taken, so the next start is no warm one: less than ${needed / MIB} MiB are free in ${dir} ` +
    "(--no-template takes none, and says nothing)";
  throw new NoRoom(`${Math.floor(free / MIB)} MiB are free in ${dir}, expected ${needed / MIB}`, told);
}

async function publish({ member, next }: TemplateRequest, making: string): Promise<void> {
  const { name, config, context: { store } } = member;
  try {
    await removeOldDisks(store, name);
    const outcome = await publishTemplate(store, making, { ...next, config: config! });
    log(`${name}: its template ${next.key}: ${outcome}`);
  } catch (thrown) {
    log(`${name}: no template was made of it: ${describe(thrown)}`);
  }
}
