/**
 * A machine's memory as a file: a memfd of its QEMU, which others open through the process's open files.
 *
 * The bytes are copied by `cp`: it steps over what was never used (SEEK_DATA), which Deno cannot ask for, and keeps this
 * process free meanwhile. QEMU is paused, or waits for a saved state: nobody else writes.
 */

import { FleetboxError, isNoSpace } from "../../../core/errors.ts";
import { host } from "../../../system/os.ts";
import { run } from "../../../system/process.ts";
import { architectureOf, HARDWARE } from "../arguments.ts";

export const MIB = 1024 * 1024;

/** The path by which a machine's memory is opened. @throws {FleetboxError} `unavailable`: it is not a file */
export function memoryFile(label: string, pid: number, binary: string): string {
  const { memory } = HARDWARE[architectureOf(binary)];
  const names = ["memory-backend-memfd", memory].map((name) => `/memfd:${name}`); // its kind, or its own
  const files = host().openFiles?.(pid) ?? [];
  const found = files.find(({ target }) => names.some((name) => target.replace(/ \(deleted\)$/, "").endsWith(name)));
  if (found) return found.path;
  throw new FleetboxError("unavailable", `${label} cannot be saved: its memory is not kept where it can be copied`, {
    hint: "An earlier version of fleetbox started this machine; stop it and start it, then it can be saved",
  });
}

/** What a file takes up. */
export function bytesOf(path: string): number {
  const { blocks, size } = Deno.statSync(path);
  return blocks === null ? size : blocks * 512;
}

/**
 * Copies a paused machine's memory to a new file, in a directory of this user alone. No file is there before: `cp` would truncate
 * it, and what has replaced a truncated file is written to the disk as soon as it is closed (ext4's `auto_da_alloc`),
 * which takes as long again.
 * @throws {FleetboxError} `no-space`; the signal's reason
 */
export async function copyMemory(memory: string, file: string, signal: AbortSignal): Promise<void> {
  await copy(["--sparse=always", "--", memory, file], signal);
  Deno.chmodSync(file, 0o600);
}

/** Fills the memory of a machine that has not run yet. @throws {FleetboxError}; the signal's reason */
export async function fillMemory(file: string, memory: string, signal: AbortSignal): Promise<void> {
  await copy(["--sparse=auto", "--", file, memory], signal);
}

async function copy(args: string[], signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  try {
    await run("cp", args, { signal, env: { LC_ALL: "C" }, hint: `Install it: ${host().install("coreutils")}` });
  } catch (cause) {
    signal.throwIfAborted();
    const isFull = isNoSpace(cause);
    throw new FleetboxError(isFull ? "no-space" : "failed", "The memory cannot be copied", { cause });
  }
}

/**
 * Refuses a machine that has more memory than the host: as a file it would be granted, and taken away from the host while
 * the guest uses it up. The kernel refuses plain memory in the same case.
 * @throws {FleetboxError} `no-space`
 */
export function checkMemoryFits(label: string, memoryMiB: number): void {
  const { total, swapTotal } = Deno.systemMemoryInfo();
  const hostMiB = Math.floor((total + swapTotal) / MIB);
  if (memoryMiB <= hostMiB) return;
  throw new FleetboxError("no-space", `${label} cannot have ${memoryMiB} MiB of memory: this host has ${hostMiB} MiB`, {
    hint: "Use less memory (--memory), or stop other machines",
  });
}
