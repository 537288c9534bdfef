/**
 * What a process uses of this host: processor time, memory, storage. A part of `os.ts`, which says how a system tells it.
 *
 * Linux tells all of it in `/proc` (proc(5)), of processes of the same user. macOS's `ps` tells no reads and writes.
 */

import { isNotFound } from "../core/errors.ts";

export interface ProcessUsage {
  /** The processor time that it has used, of all its threads, in milliseconds. */
  cpuMs: number;
  /** The memory that it has; on Linux its part of what it shares with others (PSS). Absent: not told. */
  memoryBytes?: number;
  /** What it has read from the host's storage; what the host had in its cache does not count. Absent: not told. */
  readBytes?: number;
  /** What it has written to the host's storage. Absent: not told. */
  writtenBytes?: number;
}

/** Linux. @param cpuMs its processor time, which `os.ts` reads */
export function usageInProc(pid: number, cpuMs: number): ProcessUsage {
  const memory = textOf(`/proc/${pid}/smaps_rollup`); // empty while it is starting another program
  const status = memory ? "" : textOf(`/proc/${pid}/status`);
  const io = textOf(`/proc/${pid}/io`);
  return {
    cpuMs,
    memoryBytes: kibIn(memory, "Pss") ?? kibIn(status, "VmRSS"),
    readBytes: numberIn(io, "read_bytes"),
    writtenBytes: numberIn(io, "write_bytes"),
  };
}

/** macOS. @param rss what `ps -o rss=` prints: KiB */
export function usageInPs(rss: string, cpuMs: number): ProcessUsage {
  return { cpuMs, ...(/^\d+$/.test(rss) && { memoryBytes: Number(rss) * 1024 }) };
}

/** `Pss:    1234 kB`, in bytes. */
function kibIn(text: string, key: string): number | undefined {
  const kib = numberIn(text, key);
  return kib === undefined ? undefined : kib * 1024;
}

function numberIn(text: string, key: string): number | undefined {
  const found = new RegExp(`^${key}:\\s+(\\d+)`, "m").exec(text)?.[1];
  return found === undefined ? undefined : Number(found);
}

/** Empty: the process is gone, or another user's. */
function textOf(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (thrown) {
    if (isNotFound(thrown) || isDenied(thrown) || /ESRCH|No such process/.test(String(thrown))) return "";
    throw thrown;
  }
}

function isDenied(thrown: unknown): boolean {
  return thrown instanceof Deno.errors.PermissionDenied || thrown instanceof Deno.errors.NotCapable;
}
