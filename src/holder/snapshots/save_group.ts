/**
 * Saves members of a group at one instant: no frame is delivered from before the first of them is paused until the last is
 * saved, so that none can arrive in a copy before it was sent there. A frame on its way then is lost to the copy, as networks
 * may lose frames; the original gets it.
 */

import { FleetboxError } from "../../core/errors.ts";
import { listed } from "../../core/names.ts";
import type { SharedDirectory } from "../../core/options.ts";
import { exists } from "../../system/files.ts";
import type { SavedPaths } from "../../store/snapshots.ts";
import type { MachineRun } from "../member/machine_run.ts";
import type { Member } from "../member/member.ts";
import type { GroupNetwork } from "../network/group_network.ts";
import { type FrozenDisk, prepareFreeze, removeOldDisks } from "../member/freeze.ts";
import { checkFree } from "../member/pauses.ts";

/** A member that is to be saved. */
interface Part {
  member: Member;
  run: MachineRun;
  files: SavedPaths;
  frozen?: FrozenDisk;
  /** Whether it is paused for this. */
  isHeld?: boolean;
}

export interface SaveRequest {
  members: readonly Member[];
  network: GroupNetwork;
  /** Where a member's files go. */
  filesOf: (name: string) => SavedPaths;
  /** Whether the disk as it is becomes a layer, so that it can be the base of others. */
  freezes: boolean;
  /** Called while everything is saved and paused, before anything goes on. */
  whilePaused?: () => Promise<void>;
  /** Whether the machines go on afterwards. @default true; after a failure they do, always */
  goesOn?: boolean;
}

/** When members were saved. */
export interface SavedMoment {
  since: Date;
  /** Until they went on; 0: they do not. */
  pausedMs: number;
}

/**
 * @returns the moment, and for how long the members stood still
 * @throws {FleetboxError} `conflict`: one of them does not run. Else as the driver's `save` does; the machines go on.
 */
export async function saveGroup(request: SaveRequest): Promise<SavedMoment> {
  const { members, network, filesOf, freezes, whilePaused = () => Promise.resolve(), goesOn = true } = request;
  const parts: Part[] = members.map((member) => ({ member, run: runningOf(member), files: filesOf(member.name) }));
  // Before anybody is paused: a disk's new file takes a program to make.
  await all(parts, async (part) => {
    await part.run.machine.prepareSave();
    if (freezes) part.frozen = await prepareFreeze(part.member);
  });
  const hold = network.holdFrames();
  const since = performance.now();
  const at = new Date();
  let isSaved = false, pausedMs = 0;
  try {
    await all(parts, async (part) => {
      await part.member.pauses.forSave(part.run, () => part.isHeld = true);
      part.member.tellOnce("it stands still, and no frame of its group is delivered");
    });
    await all(parts, async ({ member, run: { machine }, files, frozen }) => {
      const { efiVars, snapshotSocket: socket } = member.paths;
      await machine.save({ devices: files.devices, memory: files.memory, socket }, {
        disk: frozen?.next,
        writeLog: frozen?.nextLog,
      });
      if (freezes && exists(efiVars)) await Deno.copyFile(efiVars, files.efiVars);
      member.tellOnce(`its devices and its memory are saved: ${files.dir}`);
    });
    await whilePaused();
    isSaved = true;
  } finally {
    if (goesOn || !isSaved) {
      const held = parts.filter(({ isHeld }) => isHeld); // another is paused for another reason
      await Promise.all(held.map(async ({ member, run }) => {
        await member.pauses.afterSave(run);
        pausedMs = Math.round(performance.now() - since);
        member.tellOnce(`it goes on, after ${pausedMs} ms`);
      }));
      if (!isSaved) await moveWithLogs(parts);
    }
    hold[Symbol.dispose]();
  }
  if (freezes) await all(parts, completeFiles);
  return { since: at, pausedMs };
}

/** What of a member's files is not of one instant. */
async function completeFiles({ member, files }: Part): Promise<void> {
  await removeOldDisks(member.context.store, member.name);
  for (const index of (member.config?.fixtures ?? []).keys()) {
    await Deno.link(member.paths.sharedDirectoryImage(index), files.sharedDirectoryImage(index));
  }
}

/** A log of writes is of one disk: a machine that is still on the earlier one is moved, so that it has the log of its config's. */
async function moveWithLogs(parts: readonly Part[]): Promise<void> {
  for (const { run: { machine }, frozen } of parts) {
    if (frozen?.nextLog !== undefined) await machine.moveToOverlay(frozen.next, frozen.nextLog).catch(() => {});
  }
}

function runningOf(member: Member): MachineRun {
  const { now } = member.phases;
  checkFree(member);
  if (member.config?.shares) throw sharesDirectory(member.name, member.config.shares[0]);
  if (now.kind === "running" && !now.problem) return now.run;
  const found = now.kind === "running" ? "what it had to run at first failed" : `it is ${now.kind}`;
  throw new FleetboxError("conflict", `Cannot save "${member.name}": ${found}, expected running`, {
    hint: `See it: fleetbox status ${member.name}`,
  });
}

/** What a guest knows of such a directory's files is in its memory, and they change without it. */
function sharesDirectory(name: string, { host_path }: SharedDirectory): FleetboxError {
  return new FleetboxError("conflict", `Cannot save "${name}": it shares ${host_path} with this host, read-write`, {
    hint:
      `Make it without --share: --fixture is a read-only copy, and fleetbox sync DIR ${name}:DIR keeps one up to date`,
  });
}

/** All at once; after a failure the others are waited for. */
async function all(parts: readonly Part[], work: (part: Part) => Promise<void>): Promise<void> {
  const failures = (await Promise.allSettled(parts.map(work)))
    .flatMap((one) => one.status === "rejected" ? [one.reason] : []);
  if (failures.length > 0) throw failures[0];
}

/** The members of these names, in their order. @throws {FleetboxError} `not-found`: one is not in the group */
export function membersNamed(present: readonly Member[], names: readonly string[]): Member[] {
  return names.map((name) => {
    const found = present.find((member) => member.name === name);
    if (found) return found;
    throw new FleetboxError(
      "not-found",
      `"${name}" is not in this group, which has ${listed(present.map((one) => one.name))}`,
      {
        hint: "Members that are saved together must be in one group; see which: fleetbox ls",
      },
    );
  });
}
