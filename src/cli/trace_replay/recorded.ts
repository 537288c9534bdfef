/** What of a trace is made again: read from its events in one pass, whatever their number. */

import { checkFault, checkFaultTimes } from "../../core/faults.ts";
import { type FaultStep, parsePlan } from "../../core/faults/plan.ts";
import type { TraceFault, TraceMeta } from "../../core/trace/types.ts";
import { planOf } from "../../control/recording/recorded_faults.ts";
import { record, text, texts } from "../../viewer/data/model.ts";
import { noBundle } from "../trace_show/bundle_files.ts";
import { openEvents } from "../trace/event_source.ts";

/** A moment of the trace to which a checkpoint brings the group again. Times are milliseconds since 1970. */
export interface SavedMoment {
  checkpoint: string;
  atMs: number;
  /** When the checkpoint was complete. Absent: the group was forked from it, or restored to it, before the trace began. */
  madeMs?: number;
}

export interface RecordedCommand {
  member: string;
  argv: string[];
}

/** Times are milliseconds since 1970. */
export interface Recorded {
  /** As it is in `meta.json`: from outside. */
  members: unknown;
  startedMs: number;
  endedMs: number;
  /** When the last member ran for the first time; the begin of a trace in which none did. */
  readyMs: number;
  /** Their times since the trace began. */
  steps: FaultStep[];
  /** In the order of their times; what the group came from is first. */
  saved: SavedMoment[];
  commands: RecordedCommand[];
  /** What is missing, in words. */
  notices: string[];
}

/** @throws {FleetboxError} `not-found`, `damaged`, `conflict`: it is no trace, or one that cannot be played */
export async function readRecorded(path: string): Promise<Recorded> {
  const { meta, plan, batches, notices } = await openEvents(path);
  const startedMs = Date.parse(text(meta.started));
  if (Number.isNaN(startedMs)) throw noBundle(path, "its meta.json, which says what to make, is missing or damaged");
  const events = new Events(namesOf(meta.members));
  for await (const batch of batches) for (const { event, time } of batch) events.take(event.raw, time);
  const readyMs = Math.max(startedMs, ...events.firstRuns.values());
  const steps = stepsOf(path, plan, notices) ??
    planOf({ started: text(meta.started) }, events.faults(notices))?.steps ?? [];
  return {
    members: meta.members,
    startedMs,
    endedMs: endOf(meta) ?? Math.max(startedMs, events.lastMs),
    readyMs,
    steps: steps.toSorted((one, other) => one.at_ms - other.at_ms),
    saved: [...originOf(meta.members).map((checkpoint) => ({ checkpoint, atMs: readyMs })), ...events.saved],
    commands: [...events.commands.values()],
    notices,
  };
}

const namesOf = (members: unknown) => (Array.isArray(members) ? members : []).map((one) => text(record(one).name));

/** The checkpoint that all members come from, or nothing. */
function originOf(members: unknown): string[] {
  const all = new Set((Array.isArray(members) ? members : []).map((one) => text(record(one).from_checkpoint)));
  return all.size === 1 ? [...all].filter((name) => name !== "") : [];
}

function endOf({ ended }: Partial<TraceMeta>): number | undefined {
  const endedMs = Date.parse(text(ended));
  return Number.isNaN(endedMs) ? undefined : endedMs;
}

/** The steps of `plan.json`. Undefined: the events tell of them. */
function stepsOf(path: string, plan: string | undefined, notices: string[]): FaultStep[] | undefined {
  if (plan === undefined) return undefined;
  try {
    return parsePlan(plan, `The plan.json of ${path}`).steps;
  } catch {
    notices.push("plan.json is damaged, or of another version: the faults are those of the events");
    return undefined;
  }
}

/** What is kept of the events. */
class Events {
  readonly firstRuns = new Map<string, number>();
  readonly saved: SavedMoment[] = [];
  readonly commands = new Map<string, RecordedCommand>();
  lastMs = 0;
  readonly #faults: TraceFault[] = [];
  readonly #members: Set<string>;

  constructor(members: readonly string[]) {
    this.#members = new Set(members);
  }

  take(raw: Record<string, unknown>, time: number): void {
    this.lastMs = Math.max(this.lastMs, time);
    const name = text(raw.name);
    switch (raw.event) {
      case "state":
        if (raw.state === "running" && this.#members.has(name) && !this.firstRuns.has(name)) {
          this.firstRuns.set(name, time);
        }
        return;
      case "fault-began":
      case "fault-ended":
        this.#faults.push(raw as unknown as TraceFault);
        return;
      case "checkpoint": {
        const sinceMs = Date.parse(text(raw.since));
        this.saved.push({ checkpoint: name, madeMs: time, atMs: Number.isNaN(sinceMs) ? time : sinceMs });
        return;
      }
      case "command-began":
      case "command": {
        const id = text(raw.id), argv = texts(raw.argv);
        if (argv.length > 0 && !this.commands.has(id)) this.commands.set(id, { member: name, argv });
        return;
      }
    }
  }

  /** The faults that this version can make. */
  faults(notices: string[]): TraceFault[] {
    let unknown = 0;
    const known = this.#faults.filter(({ event, spec, seed }) => {
      if (event === "fault-ended") return true;
      try {
        checkFault(spec);
        checkFaultTimes({ seed });
        return true;
      } catch {
        unknown++;
        return false;
      }
    });
    if (unknown > 0) {
      const what = unknown === 1 ? "1 fault has" : `${unknown} faults have`;
      notices.push(`${what} not been recorded whole, or are of another version: left out`);
    }
    return known;
  }
}
