/** What the system reports of a directory's files. */

import { FleetboxError } from "../core/errors.ts";

/**
 * Begins to watch a directory, not what is below its directories.
 * @param what what that is for, as in `Cannot WHAT: …` @param otherwise what is still possible, a clause
 * @throws {FleetboxError} `failed`: the system watches no more of them
 */
export function watchDirectory(path: string, what: string, otherwise?: string): Deno.FsWatcher {
  try {
    return Deno.watchFs(path, { recursive: false });
  } catch (cause) {
    throw new FleetboxError("failed", `Cannot ${what}: the system does not watch its directory`, {
      cause,
      hint: `On Linux, raise fs.inotify.max_user_watches and max_user_instances${otherwise ? `; ${otherwise}` : ""}.`,
    });
  }
}
