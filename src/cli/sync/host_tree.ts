/** What is in the directory of this host that is synced: nothing is followed, and nothing is read but directories and links. */

import { FleetboxError, isNotFound, messageOf } from "../../core/errors.ts";
import { join } from "../../system/path.ts";
import { byteText } from "./byte_text.ts";
import type { Excludes } from "./excludes.ts";

/** One file, directory or link. */
export interface HostEntry {
  kind: "file" | "directory" | "link";
  /** Its permissions: nine bits. */
  mode: number;
  /** In bytes; of a link, its target's length. */
  size: number;
  /** Milliseconds since 1970. */
  mtimeMs: number;
  /** Where a link leads, as bytes. */
  target?: string;
  /** Whether much of it is holes. */
  isSparse?: boolean;
}

/** A path, as bytes, and why it is not in the guest as it is here. */
export interface Problem {
  path: string;
  why: string;
}

export interface HostTree {
  /** By their paths below the directory, as bytes; a directory comes before what is in it. */
  entries: Map<string, HostEntry>;
  problems: Problem[];
  /** Sockets, pipes and devices, which are left out. */
  skipped: string[];
}

/** The name of what a sync makes in the guest's directory while it runs; such names are left out on both sides. */
export const STAGE = ".fleetbox-sync-";

/** The permissions that are kept: a guest's programs do not get another user's rights by them. */
export const MODE_BITS = 0o777;

/** @throws {FleetboxError} `not-found`, `misuse`, `denied`: the directory itself */
export function readHostTree(root: string, excludes: Excludes): HostTree {
  const tree: HostTree = { entries: new Map(), problems: [], skipped: [] };
  checkRoot(root);
  const walk = (path: string, above: string) => {
    let names: string[];
    try {
      names = [...Deno.readDirSync(path)].map(({ name }) => name).toSorted();
    } catch (thrown) {
      if (above === "") throw new FleetboxError("denied", `Cannot read the directory ${path}`, { cause: thrown });
      // It was removed meanwhile, or it is not for us to see.
      if (!isNotFound(thrown)) tree.problems.push({ path: byteText(above.slice(0, -1)), why: reason(thrown) });
      return;
    }
    for (const name of names) {
      if (above === "" && name.startsWith(STAGE)) continue;
      const key = byteText(above + name);
      const info = look(join(path, name), name, key, tree);
      if (!info || excludes(key, info.isDirectory)) continue;
      const entry = entryOf(join(path, name), info);
      if (!entry) tree.skipped.push(key);
      else tree.entries.set(key, entry);
      if (info.isDirectory) walk(join(path, name), `${above}${name}/`);
    }
  };
  walk(root, "");
  return tree;
}

/** @throws {FleetboxError} `not-found`, `misuse` */
function checkRoot(root: string): void {
  let info: Deno.FileInfo;
  try {
    info = Deno.statSync(root);
  } catch (cause) {
    if (!isNotFound(cause)) throw new FleetboxError("denied", `Cannot read the directory ${root}`, { cause });
    throw new FleetboxError("not-found", `There is no directory ${root} on this host`, { cause });
  }
  if (!info.isDirectory) {
    throw new FleetboxError("misuse", `${root} is no directory; sync takes a directory`, {
      hint: `A single file: fleetbox cp ${root} NAME:`,
    });
  }
}

function look(path: string, name: string, key: string, tree: HostTree): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch (thrown) {
    if (!isNotFound(thrown)) tree.problems.push({ path: key, why: reason(thrown) });
    else if (name.includes("\ufffd")) tree.problems.push({ path: key, why: "its name is not UTF-8" });
    return undefined;
  }
}

function entryOf(path: string, info: Deno.FileInfo): HostEntry | undefined {
  const { size } = info;
  const facts = { mode: (info.mode ?? 0o755) & MODE_BITS, size, mtimeMs: info.mtime?.getTime() ?? 0 };
  if (info.isDirectory) return { kind: "directory", ...facts };
  if (info.isFile) return { kind: "file", ...facts, isSparse: info.blocks !== null && info.blocks * 1024 < size };
  if (!info.isSymlink) return undefined;
  try {
    return { kind: "link", ...facts, target: byteText(Deno.readLinkSync(path)) };
  } catch {
    return undefined; // it was replaced meanwhile
  }
}

/** The system's reason without its number: "Permission denied". */
export function reason(thrown: unknown): string {
  return messageOf(thrown).replace(/\s*\(os error \d+\).*/s, "");
}
