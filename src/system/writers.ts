/** Who makes what is under a temporary name: a process of this host, or of another one that sees the same store. */

import { identify } from "./process.ts";
import { isOfThisHost, writerOf } from "./files.ts";

/** Whether a file or a directory of this name may still be made. False for names that are not temporary. */
export function isBeingMade(name: string): boolean {
  const writer = writerOf(name);
  return writer !== undefined && (!isOfThisHost(name) || identify(writer) !== undefined);
}

/** Whether it was being made by a process of this host that is gone. */
export function isAbandoned(name: string): boolean {
  return writerOf(name) !== undefined && !isBeingMade(name);
}
