/** What the system reports of a directory's files. */

import { FleetboxError } from "../core/errors.ts";

interface WatchOptions {
  /** Whether what is below its directories is watched, too. @default false */
  isRecursive?: boolean;
  /** What is still possible where the system watches no more, a clause. */
  otherwise?: string;
}

/**
 * Begins to watch a directory.
 * @param what what that is for, as in `Cannot WHAT: …`
 * @throws {FleetboxError} `failed`: the system watches no more of them
 */
export function watchDirectory(path: string, what: string, options: WatchOptions = {}): Deno.FsWatcher {
  const { isRecursive = false, otherwise } = options;
  try {
    return Deno.watchFs(path, { recursive: isRecursive });
  } catch (cause) {
    throw new FleetboxError("failed", `Cannot ${what}: the system does not watch its directory`, {
      cause,
      hint: `On Linux, raise fs.inotify.max_user_watches and max_user_instances${otherwise ? `; ${otherwise}` : ""}.`,
    });
  }
}
