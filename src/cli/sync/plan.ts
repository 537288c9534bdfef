/** What a sync does, from what is here and what is in the guest: a pure function. */

import type { Excludes } from "./excludes.ts";
import { type GuestEntry, type GuestTree, leadsTo } from "./guest_tree.ts";
import type { HostEntry, HostTree, Problem } from "./host_tree.ts";

export interface SyncPlan {
  /** Files and links, whose content goes to the guest. */
  send: string[];
  /** Directories that are made, the upper ones first. */
  make: string[];
  /** What is there already, but with other permissions, or made with others: those that it gets. */
  modes: Map<string, number>;
  /** What is in the way of something of another kind; it is removed first. */
  clear: string[];
  /** What is gone on this host; it is removed last. A directory stands for all that is in it. */
  remove: string[];
  /** Directories in which the guest's user may change nothing at present, and their permissions afterwards. */
  closed: Map<string, number>;
  problems: Problem[];
}

interface PlanOptions {
  excludes: Excludes;
  /** Whether the guest loses what is not on this host. */
  isDeleting: boolean;
  /** Whether a file that seems to be the same is sent all the same: it was changed within its time's second. */
  isStale?: (path: string, entry: HostEntry) => boolean;
  /** Where the other directory is. @default "in the guest" */
  where?: string;
}

export function planSync(host: HostTree, guest: GuestTree, options: PlanOptions): SyncPlan {
  const plan: SyncPlan = {
    ...{ send: [], make: [], modes: new Map(), clear: [], remove: [], closed: new Map() },
    problems: [...host.problems],
  };
  const isKept = keptIn(host, options.excludes);
  const removable = options.isDeleting ? removableOf(host, guest, isKept) : new Set<string>();
  const blocked: string[] = [];
  const isBelow = (path: string, those: readonly string[]) => those.some((one) => path.startsWith(`${one}/`));
  for (const [path, entry] of host.entries) {
    if (isBelow(path, blocked)) continue;
    const there = isBelow(path, plan.clear) ? undefined : guest.get(path);
    if (there && there.kind !== entry.kind) {
      if (there.kind === "directory" && !removable.has(path)) {
        const why = `a directory is in its place ${options.where ?? "in the guest"}` +
          (options.isDeleting ? ", with files that are left out" : "; --delete replaces it");
        plan.problems.push({ path, why });
        blocked.push(path);
        continue;
      }
      plan.clear.push(path);
    }
    const same = there?.kind === entry.kind ? there : undefined;
    if (entry.kind === "directory") {
      if (!same) plan.make.push(path);
      if (!same && entry.mode !== MADE_MODE) plan.modes.set(path, entry.mode);
      if (same && (same.mode & 0o700) !== 0o700) plan.closed.set(path, entry.mode);
    } else if (!same || !isSame(path, entry, same) || options.isStale?.(path, entry)) {
      plan.send.push(path);
      continue;
    }
    if (same && entry.kind !== "link" && (same.mode & 0o777) !== entry.mode) {
      plan.modes.set(path, entry.mode);
    }
  }
  for (const path of removable) {
    const above = path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : undefined;
    if (!host.entries.has(path) && (above === undefined || !removable.has(above))) plan.remove.push(path);
  }
  return plan;
}

/** The permissions with which directories are made. */
export const MADE_MODE = 0o755;

function isSame(path: string, entry: HostEntry, there: GuestEntry): boolean {
  if (entry.kind === "link") return leadsTo(there, path, entry.target!);
  return entry.size === there.size && Math.floor(entry.mtimeMs / 1000) === there.mtime;
}

/** What the guest keeps, whatever is on this host: what is left out, and what could not be looked at. */
function keptIn(host: HostTree, excludes: Excludes): (path: string, isDirectory: boolean) => boolean {
  const unknown = new Set([...host.problems.map(({ path }) => path), ...host.skipped]);
  const isUnknown = (path: string): boolean =>
    unknown.has(path) || (path.includes("/") && isUnknown(path.slice(0, path.lastIndexOf("/"))));
  return (path, isDirectory) => (unknown.size > 0 && isUnknown(path)) || excludes(path, isDirectory);
}

/** What in the guest is not on this host in that kind, and holds nothing that the guest keeps. */
function removableOf(
  host: HostTree,
  guest: GuestTree,
  isKept: (path: string, isDirectory: boolean) => boolean,
): Set<string> {
  const removable = new Set<string>();
  const holding = new Set<string>();
  for (const [path, { kind }] of guest) {
    const here = host.entries.get(path);
    const isHere = here !== undefined && (kind === "directory") === (here.kind === "directory");
    if (!isHere && !isKept(path, kind === "directory")) {
      removable.add(path);
      continue;
    }
    for (let at = path.lastIndexOf("/"); at > 0; at = path.lastIndexOf("/", at - 1)) holding.add(path.slice(0, at));
  }
  for (const path of holding) removable.delete(path);
  return removable;
}
