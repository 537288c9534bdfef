/** What fleetbox has in use, read from `/proc` and the store: the numbers that must not grow. */

import { join } from "../../src/system/path.ts";
import type { ProcessIdentity } from "../../src/system/process.ts";
import type { Sandbox } from "../support/sandbox.ts";

/** Of one process. */
export interface ProcessUse {
  files: number;
  threads: number;
  residentKiB: number;
}

export function useOf({ pid }: ProcessIdentity): ProcessUse {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1]);
  return { files: openFiles(pid).length, threads: field("Threads"), residentKiB: field("VmRSS") };
}

/** Of a whole store. */
export interface StoreUse {
  processes: number;
  /** Files and directories. */
  entries: number;
  /** Unix sockets of the store that are bound, and TCP ports of its processes that listen. */
  sockets: number;
  ports: number;
}

export function useOfStore(box: Sandbox): StoreUse {
  const processes = box.processes();
  const inodes = new Set(processes.flatMap(({ pid }) => openFiles(pid)));
  const listening = Deno.readTextFileSync("/proc/net/tcp").split("\n").map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[3] === "0A" && inodes.has(`socket:[${fields[9]}]`));
  const sockets = Deno.readTextFileSync("/proc/net/unix").split("\n").filter((line) => line.includes(` ${box.home}/`));
  return {
    processes: processes.length,
    entries: countBelow(box.home),
    sockets: sockets.length,
    ports: listening.length,
  };
}

function openFiles(pid: number): string[] {
  const open: string[] = [];
  for (const { name } of Deno.readDirSync(`/proc/${pid}/fd`)) {
    try {
      open.push(Deno.readLinkSync(`/proc/${pid}/fd/${name}`));
    } catch { /* closed meanwhile */ }
  }
  return open;
}

function countBelow(dir: string): number {
  return [...Deno.readDirSync(dir)].reduce(
    (count, { name, isDirectory }) => count + 1 + (isDirectory ? countBelow(join(dir, name)) : 0),
    0,
  );
}
