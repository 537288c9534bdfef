/**
 * What this host still allows a process to have: open files, processes, memory, by the limits of the process and of its
 * control groups. Linux tells it in `/proc` (proc(5)) and in cgroups, of both versions; what is not told has no limit here.
 */

import { groupsOf } from "./control_groups.ts";
import { entriesOf, namesIn, readIfThere } from "../files.ts";

export interface HostRoom {
  /** How many files it may have open, and has. */
  openFiles?: { limit: number; used: number };
  /** How many more processes and threads there may be, and what says so. */
  processes?: Room;
  /** How many bytes of memory are free, and what says so. */
  memory?: Room;
}

export interface Room {
  free: number;
  limitedBy: string;
}

/** Above that no limit is near, and what counts against it is not counted. */
const FAR = 20_000;

/** What a process may have. @param root where the host's files are, for tests */
export function hostRoom(pid: number | "self" = "self", root = ""): HostRoom {
  const limits = readIfThere(`${root}/proc/${pid}/limits`) ?? "";
  const files = limitIn(limits, "open files");
  const openFiles = files === undefined ? undefined : { limit: files, used: namesIn(`${root}/proc/${pid}/fd`).length };
  const processes = least([ofUser(limits, root), ...groupsOf(pid, "pids", root).map(pidsIn)]);
  const memory = least([ofHost(root), ...groupsOf(pid, "memory", root).map(memoryIn)]);
  return { ...(openFiles && { openFiles }), ...(processes && { processes }), ...(memory && { memory }) };
}

function least(rooms: readonly (Room | undefined)[]): Room | undefined {
  return rooms.reduce((one, other) => !other || (one && one.free <= other.free) ? one : other, undefined);
}

/** The soft limit of `Max open files  1024  4096  files`. */
function limitIn(limits: string, what: string): number | undefined {
  const found = new RegExp(`^Max ${what} +(\\d+)`, "m").exec(limits)?.[1];
  return found === undefined ? undefined : Number(found);
}

/** The limit of a user's processes and threads, which does not hold for root. */
function ofUser(limits: string, root: string): Room | undefined {
  const limit = limitIn(limits, "processes");
  const user = userOf(`${root}/proc/self`);
  if (limit === undefined || user === undefined || user === "0") return undefined;
  const limitedBy = `ulimit -u is ${limit}`;
  if (limit > FAR) return { free: limit - FAR / 2, limitedBy };
  const used = entriesOf(`${root}/proc`).filter(({ name }) => /^\d+$/.test(name))
    .map(({ name }) => `${root}/proc/${name}`).filter((path) => userOf(path) === user)
    .reduce((sum, path) => sum + namesIn(`${path}/task`).length, 0);
  return { free: Math.max(0, limit - used), limitedBy };
}

function userOf(process: string): string | undefined {
  return /^Uid:\t(\d+)/m.exec(readIfThere(`${process}/status`) ?? "")?.[1];
}

function ofHost(root: string): Room | undefined {
  const kib = /^MemAvailable: +(\d+) kB$/m.exec(readIfThere(`${root}/proc/meminfo`) ?? "")?.[1];
  return kib === undefined ? undefined : { free: Number(kib) * 1024, limitedBy: "this host's memory" };
}

function pidsIn(group: string): Room | undefined {
  const limit = numberIn(`${group}/pids.max`), used = numberIn(`${group}/pids.current`);
  if (limit === undefined || used === undefined) return undefined;
  return { free: Math.max(0, limit - used), limitedBy: `${group}/pids.max is ${limit}` };
}

function memoryIn(group: string): Room | undefined {
  for (const [max, now] of [["memory.max", "memory.current"], ["memory.limit_in_bytes", "memory.usage_in_bytes"]]) {
    const limit = numberIn(`${group}/${max}`), used = numberIn(`${group}/${now}`);
    if (limit === undefined || used === undefined || limit >= 2 ** 60) continue;
    const cache = /^(?:total_inactive_file|inactive_file) (\d+)$/m.exec(readIfThere(`${group}/memory.stat`) ?? "")?.[1];
    const free = Math.max(0, limit - used + Number(cache ?? 0)); // the cache goes when others need the memory
    return { free, limitedBy: `${group}/${max} is ${limit}` };
  }
  return undefined;
}

/** Undefined: not there, or `max`. */
function numberIn(path: string): number | undefined {
  const text = readIfThere(path)?.trim() ?? "";
  return /^\d+$/.test(text) ? Number(text) : undefined;
}
