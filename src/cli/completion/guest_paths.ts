/**
 * The paths on a member that begin like a typed one, for `cp NAME:PATH`: asked of its guest over SSH, within the time
 * that somebody at a prompt waits. A member that does not run or does not answer has none; nothing is booted, adopted
 * or waited for.
 */

import { getReport } from "../../control.ts";
import { Limit } from "../../core/deadline.ts";
import { shellCommand } from "../../core/quoting.ts";
import type { Store } from "../../store.ts";
import { run } from "../../system/process.ts";
import { sshArguments } from "../arguments/ssh_arguments.ts";

const HOLDER_MS = 300;
const GUEST_MS = 4_000;
const MAX_PATHS = 1_000;

/**
 * The names in the directory `$1` that begin with `$2`; directories, and links to some, end with a slash. By the shell
 * alone: `ls` of busybox shows a `?` for what is not ASCII.
 */
const SCRIPT = `cd "$1" 2>/dev/null || exit 0
for name in "$2"*; do
  if [ -d "$name" ]; then printf "%s/\\n" "$name"; elif [ -e "$name" ] || [ -L "$name" ]; then printf "%s\\n" "$name"; fi
done | head -n ${MAX_PATHS}`;

/** @param begun a path as typed: relative ones begin in the user's home */
export async function guestPaths(store: Store, name: string, begun: string): Promise<string[]> {
  const end = begun.lastIndexOf("/") + 1;
  const [directory, rest] = [begun.slice(0, end), begun.slice(end)];
  try {
    const report = await getReport(store, name, HOLDER_MS);
    if (!report?.running || !report.ssh) return [];
    const where = directory.startsWith("/") ? directory : `./${directory}`;
    const command = shellCommand(["sh", "-c", SCRIPT, "sh", where, rest]);
    using limit = new Limit(GUEST_MS);
    const args = ["-o", "BatchMode=yes", ...sshArguments(store, report.ssh, { tty: false, command })];
    return pathsIn(await run("ssh", args, { signal: limit.signal }), directory, rest);
  } catch {
    return [];
  }
}

/** The lines of an answer as paths, without names that a prompt cannot show; the guest is not trusted. */
function pathsIn(text: string, directory: string, rest: string): string[] {
  const isOne = (name: string) => name.startsWith(rest) && !/^(\.\.?\/)?$|[\p{Cc}\ufffd]/u.test(name);
  return text.split("\n").filter(isOne).map((name) => directory + name);
}
