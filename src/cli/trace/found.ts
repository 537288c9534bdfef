/** The trace that a word of a command line means. */

import { findTrace } from "../../control/recording/traces.ts";
import { exists } from "../../system/files.ts";
import { openStore } from "../arguments/open_store.ts";

/** What the help calls it. */
export const TRACE_WORD =
  "a trace.zip, a trace's directory or id (trace ls), or a member of the group that is recorded";

export interface FoundTrace {
  /** A zip, or a directory. */
  path: string;
  /** Of a trace in the store that was not named by its path. */
  id?: string;
}

/**
 * What has this path; else the trace in the store with this id, or of a group with this member. What can only be a path is one,
 * whether there is something or not: its reader says so.
 * @throws {FleetboxError} `not-found`; `misuse`: it could be several
 */
export function foundTrace(word: string): FoundTrace {
  if (exists(word) || !/^[a-z0-9-]+$/.test(word)) return { path: word };
  const { directory, id } = findTrace(openStore(), word);
  return { path: directory, id };
}
