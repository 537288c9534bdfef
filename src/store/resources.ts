/** What of a member may be changed while it is down: its CPUs, its memory, and its disk, which grows only. */

import { FleetboxError } from "../core/errors.ts";
import type { Options } from "../core/options.ts";
import type { MemberConfig } from "./config.ts";

export const RESOURCES = ["cpus", "memory_mb", "disk_mb"] as const;

type Resources = Pick<MemberConfig, (typeof RESOURCES)[number]>;

/** A member's resources as they are to be: what is asked for, else what it has. */
export function resourcesOf(has: Resources, { cpus, mem, disk }: Options): Resources {
  return {
    cpus: cpus ?? has.cpus,
    memory_mb: mem === undefined ? has.memory_mb : mibOf(mem),
    disk_mb: disk === undefined ? has.disk_mb : mibOf(disk),
  };
}

/** @throws {FleetboxError} `misuse`: a smaller disk is asked for than the member has */
export function checkGrows({ name, disk_mb }: Pick<MemberConfig, "name" | "disk_mb">, { disk }: Options): void {
  if (disk === undefined || mibOf(disk) >= disk_mb) return;
  throw new FleetboxError(
    "misuse",
    `The disk of "${name}" has ${disk_mb} MiB and cannot shrink: found ${mibOf(disk)} MiB, expected no less`,
    { hint: `Leave --disk out, or ask for more, such as --disk ${disk_mb + 1024}M.` },
  );
}

/** @throws {FleetboxError} `conflict`: a suspended member is to go on as another machine than it was */
export function checkStays({ name, ...has }: MemberConfig, wanted: Resources): void {
  if (RESOURCES.every((key) => has[key] === wanted[key])) return;
  throw new FleetboxError(
    "conflict",
    `"${name}" is suspended, and goes on with the CPUs, the memory and the disk that it has`,
    {
      hint: `Let it go on, and restart it with these options then: fleetbox up ${name}; ` +
        `or boot it with them, as after a power cut: fleetbox up ${name} --cold`,
    },
  );
}

/** @throws {FleetboxError} `no-space`: more memory than this host has */
export function checkHostMemory({ name, memory_mb }: Pick<MemberConfig, "name" | "memory_mb">): void {
  const hostMiB = Math.floor(Deno.systemMemoryInfo().total / 1024 / 1024);
  if (memory_mb <= hostMiB) return;
  throw new FleetboxError(
    "no-space",
    `"${name}" wants ${memory_mb} MiB of memory, and this host has ${hostMiB} MiB`,
    { hint: "Use less with --memory." },
  );
}

function mibOf(gib: number): number {
  return Math.round(gib * 1024);
}
