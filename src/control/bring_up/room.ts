/**
 * Whether this host can bear the machines that are to be started, asked before anything is made. What cannot work is refused,
 * with the way out; what may work is told: guests rarely use all of their memory, and those of a saved machine share pages.
 */

import { type ErrorCode, FleetboxError } from "../../core/errors.ts";
import { DEFAULTS, type Options, optionsOf } from "../../core/options.ts";
import { freeBytes } from "../../system/room/free_bytes.ts";
import { type HostRoom, hostRoom, type Room } from "../../system/room/host_room.ts";
import type { Store } from "../../store.ts";
import type { MemberFacts } from "../observe.ts";

/** A machine that is to be started. */
export interface WantedMachine {
  memoryMiB: number;
  cpus: number;
  /** Whether its member does not exist yet. */
  isNew: boolean;
}

/** What a holder has open for itself, its gateway and its clients, and for each member: pipes, sockets, the process. */
const FILES_OF_HOLDER = 64;
const FILES_PER_MEMBER = 8;
/** Threads of a holder, a gateway and a guardian, and of a hypervisor beside one for each virtual CPU. */
const THREADS_OF_GROUP = 32;
const THREADS_PER_MACHINE = 8;
/** What a hypervisor has beside its guest's memory, and what the smallest machine has at least, most of it shared. */
const OVERHEAD_MIB = 64;
const LEAST_MIB = 48;
/** What a new member writes at least until it runs. */
const DISK_MIB = 4;

export function wantedMachine({ stored }: MemberFacts, options: Options): WantedMachine {
  const config = stored && "config" in stored ? stored.config : undefined;
  const { image = DEFAULTS.image, mem, cpus = DEFAULTS.cpus } = options;
  const usualMiB = image === DEFAULTS.image ? DEFAULTS.memoryMiB : 1024;
  return {
    memoryMiB: config?.memory_mb ?? (mem === undefined ? usualMiB : Math.round(mem * 1024)),
    cpus: config?.cpus ?? cpus,
    isNew: stored === undefined,
  };
}

/**
 * Looks at the host before machines are started.
 * @param holder the process that will hold them, if it is there already
 * @returns what may go wrong, in a sentence
 * @throws {FleetboxError} `no-space` or `unavailable`: what cannot work
 */
export async function checkRoom(
  store: Store,
  facts: readonly MemberFacts[],
  options: Options,
  holder?: number,
): Promise<string | undefined> {
  const wanted = facts.map((member) => wantedMachine(member, optionsOf(options, member.name)));
  // One machine is not worth a process: its disk says when it is full.
  const free = wanted.length > 1 ? await freeBytes(store.root).catch(() => Infinity) : Infinity;
  return judge(wanted, hostRoom(holder), { free, where: store.root }, holder === undefined);
}

/**
 * Whether there is room for new disks of members that are taken back to a checkpoint, asked before what runs of them is ended.
 * @throws {FleetboxError} `no-space`
 */
export async function checkRoomToRestore({ root }: Store, count: number): Promise<void> {
  judgeRestore(count, { free: await freeBytes(root).catch(() => Infinity), where: root });
}

/** Pure. @throws {FleetboxError} `no-space` */
export function judgeRestore(count: number, { free, where }: { free: number; where: string }): void {
  const neededMiB = count * DISK_MIB, freeMiB = mibOf(free);
  if (neededMiB <= freeMiB) return;
  throw new FleetboxError(
    "no-space",
    `Cannot restore: ${count === 1 ? "its disk needs" : `their ${count} disks need`} at least ${neededMiB} MiB, and ` +
      `${freeMiB} MiB are free for ${where}; nothing was ended`,
    { hint: "Free some space: fleetbox prune" },
  );
}

/** Pure. @throws {FleetboxError} what cannot work */
export function judge(
  wanted: readonly WantedMachine[],
  { openFiles, processes, memory }: HostRoom,
  disk: { free: number; where: string },
  isNewGroup: boolean,
): string | undefined {
  const start = new Start(wanted, isNewGroup);
  if (openFiles) start.checkFiles(openFiles);
  if (processes) start.checkProcesses(processes);
  start.checkDisk(disk);
  return memory && start.checkMemory(memory);
}

class Start {
  readonly #count: number;
  /** `a machine`, `50 machines` */
  readonly #what: string;

  constructor(private readonly wanted: readonly WantedMachine[], private readonly isNewGroup: boolean) {
    this.#count = wanted.length;
    this.#what = this.#count === 1 ? "a machine" : `${this.#count} machines`;
  }

  checkFiles({ limit, used }: NonNullable<HostRoom["openFiles"]>): void {
    const has = this.isNewGroup ? FILES_OF_HOLDER : used;
    const needed = has + this.#count * FILES_PER_MEMBER;
    if (needed <= limit) return;
    const more = `ulimit -n ${2 ** Math.ceil(Math.log2(needed))}`;
    const raise = this.isNewGroup ? `Allow more: ${more}` : `Stop the group, allow more (${more}), and start it again`;
    throw this.#refusal("unavailable", `their holder needs ${needed} open files, and may have ${limit}`, raise, {
      free: limit - has,
      each: FILES_PER_MEMBER,
    });
  }

  checkProcesses({ free, limitedBy }: Room): void {
    const ofGroup = this.isNewGroup ? THREADS_OF_GROUP : 0;
    const ofMachines = this.#sum(({ cpus }) => cpus + THREADS_PER_MACHINE);
    const needed = ofGroup + ofMachines;
    if (needed <= free) return;
    const told = `they need ${needed} processes and threads, and ${free} more are allowed (${limitedBy})`;
    const each = ofMachines / this.#count;
    throw this.#refusal("unavailable", told, "Raise that limit", { free: free - ofGroup, each });
  }

  checkDisk({ free, where }: { free: number; where: string }): void {
    const neededMiB = this.#sum(({ isNew }) => isNew ? DISK_MIB : 0);
    const freeMiB = mibOf(free);
    if (neededMiB <= freeMiB) return;
    const told = `their disks need at least ${neededMiB} MiB, and ${freeMiB} MiB are free for ${where}`;
    throw this.#refusal("no-space", told, "Free some space: fleetbox prune", { free: freeMiB, each: DISK_MIB });
  }

  checkMemory({ free, limitedBy }: Room): string | undefined {
    const freeMiB = mibOf(free);
    const leastMiB = this.#count * LEAST_MIB;
    const are = `${freeMiB} MiB are available (${limitedBy})`;
    if (freeMiB < leastMiB) {
      const told = `they need at least ${leastMiB} MiB of memory, and ${are}`;
      throw this.#refusal("no-space", told, "End other programs", { free: freeMiB, each: LEAST_MIB });
    }
    const mostMiB = this.#sum(({ memoryMiB }) => memoryMiB + OVERHEAD_MIB);
    if (freeMiB >= mostMiB) return undefined;
    return `${
      this.#count === 1 ? "The machine" : this.#what
    } may use ${mostMiB} MiB of memory, and ${are}: when it is used up, this host ends programs. ` +
      "Smaller machines: --memory 128M";
  }

  #sum(of: (machine: WantedMachine) => number): number {
    return this.wanted.reduce((total, machine) => total + of(machine), 0);
  }

  #refusal(code: ErrorCode, told: string, fix: string, { free, each }: { free: number; each: number }): FleetboxError {
    const fit = Math.min(this.#count - 1, Math.floor(free / each));
    const hint = fit > 0 ? `${fix}; or start fewer: ${fit} fit` : fix;
    return new FleetboxError(code, `Cannot start ${this.#what}: ${told}`, { hint });
  }
}

function mibOf(bytes: number): number {
  return Math.floor(bytes / 1024 / 1024);
}
