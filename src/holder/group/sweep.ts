/** Takes away what a group has in the store's `run`. What cannot be removed is in the log: the next holder sweeps it. */

import { removeIfThere } from "../../system/files.ts";
import { machineSockets, type Store } from "../../store.ts";
import { log } from "../log.ts";
import type { Holdings } from "./life.ts";

/** Whatever a group still has, at once, for the moment before its holder exits. @param names the members that it serves */
export function sweepGroup(store: Store, id: string, names: readonly string[], holds: Holdings): void {
  const paths = store.group(id);
  if (holds === "record") removeQuietly([paths.record]); // what else is in `run` belongs to others
  if (holds !== "members") return;
  const sockets = names.flatMap((name) => machineSockets(store.member(name)));
  removeQuietly([...sockets, ...Object.values(paths)]);
}

export function removeQuietly(paths: readonly string[]): void {
  for (const path of paths) {
    try {
      removeIfThere(path);
    } catch (thrown) {
      log(`cannot remove ${path}: ${thrown}`);
    }
  }
}
