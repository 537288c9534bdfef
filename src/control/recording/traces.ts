/** The traces of a store: those that are being recorded, and those that were left by groups, tests and recorders that have ended. */

import type { TraceMeta } from "../../core/trace/types.ts";
import { TRACE_FORMAT } from "../../core/trace/types.ts";
import { FleetboxError } from "../../core/errors.ts";
import { listed } from "../../core/names.ts";
import { Limit, pause } from "../../core/deadline.ts";
import type { Store } from "../../store.ts";
import { bytesUsed, namesIn, readIfThere } from "../../system/files.ts";
import { isAlive, type ProcessIdentity } from "../../system/process.ts";

/** How long a recorder may take to write what it has. */
const END_MS = 10_000;
const LOOK_MS = 20;

export interface StoredTrace {
  id: string;
  directory: string;
  meta: TraceMeta;
  bytes: number;
  /** The process that records it; undefined: nobody does. */
  recorder?: ProcessIdentity;
}

/** Every trace, the oldest first. What is no trace is passed over. */
export function storedTraces(store: Store): StoredTrace[] {
  return namesIn(store.tracesDir).flatMap((id): StoredTrace[] => {
    const directory = store.trace(id);
    const meta = parsed<TraceMeta>(readIfThere(`${directory}/meta.json`));
    if (meta?.format !== TRACE_FORMAT) return [];
    const recorder = parsed<ProcessIdentity>(readIfThere(`${directory}/recorder.json`));
    const isRecording = meta.ended === undefined && recorder !== undefined && isAlive(recorder);
    return [{ id, directory, meta, bytes: bytesUsed(directory), ...(isRecording ? { recorder } : {}) }];
  }).toSorted((one, other) => one.meta.started < other.meta.started ? -1 : 1);
}

/**
 * The trace that a word means: an id, or a member of the group that is, or was last, recorded.
 * @param word undefined: the only one
 * @throws {FleetboxError} `not-found`; `misuse`: it could be several
 */
export function findTrace(store: Store, word: string | undefined): StoredTrace {
  const all = storedTraces(store);
  const fitting = word === undefined
    ? all
    : all.filter(({ id, meta }) => id === word || meta.members.some(({ name }) => name === word));
  const live = fitting.filter(({ recorder }) => recorder);
  const found = live.length > 0 ? live : fitting;
  if (found.length === 1) return found[0];
  if (found.length === 0) {
    throw new FleetboxError("not-found", word === undefined ? "There is no trace" : `There is no trace of "${word}"`, {
      hint: all.length > 0 ? `There are: ${listed(all.map(({ id }) => id))}` : "Begin one: fleetbox trace start a,b,c",
    });
  }
  throw new FleetboxError("misuse", `Which trace? There are ${listed(found.map(({ id }) => id))}`, {
    hint: "Name one by its id: fleetbox trace ls lists them.",
  });
}

/** Ends a recorder, and returns when it has written all. @throws {FleetboxError} `timeout` */
export async function endRecorder({ recorder, directory }: StoredTrace): Promise<void> {
  if (!recorder) return;
  try {
    Deno.kill(recorder.pid, "SIGTERM");
  } catch { /* it has just ended */ }
  using limit = new Limit(END_MS);
  while (isAlive(recorder) && parsed<TraceMeta>(readIfThere(`${directory}/meta.json`))?.ended === undefined) {
    if (limit.signal.aborted) {
      throw new FleetboxError(
        "timeout",
        `The recorder, process ${recorder.pid}, has not ended within ${END_MS / 1000} s`,
        {
          hint: "What it has recorded stays; try again.",
        },
      );
    }
    await pause(LOOK_MS); // another process's end is no event
  }
}

function parsed<T>(text: string | undefined): T | undefined {
  try {
    return text === undefined ? undefined : JSON.parse(text) as T;
  } catch {
    return undefined;
  }
}
