/** How much room a disk has. */

import { FleetboxError } from "../../core/errors.ts";
import { run } from "../process.ts";

/**
 * The bytes that a user may still write on a directory's disk: `df` of POSIX. Node's `statfs` costs a holder 7 MiB for good,
 * Deno has none.
 * @throws {FleetboxError} `failed`: there is no such directory, or no `df`
 */
export async function freeBytes(dir: string): Promise<number> {
  return parseFree(await run("df", ["-P", "-k", "--", dir], { env: { LC_ALL: "C" } })) * 1024;
}

/** The column `Available`, in KiB: a disk's name and the place of its mount may have spaces in them. Pure. */
export function parseFree(output: string): number {
  const [, available] = /\s\d+\s+-?\d+\s+(-?\d+)\s+(?:\d+%|-)\s+\/[^\n]*\n?$/.exec(output) ?? [];
  if (available === undefined) throw new FleetboxError("failed", `df does not say how much is free: ${output.trim()}`);
  return Math.max(0, Number(available));
}
