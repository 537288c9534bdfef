/** What the page shows: a trace, read. Times are milliseconds since 1970, on the host's clock. Types only, and small helpers. */

import type { Packets } from "./packets.ts";

export interface Member {
  name: string;
  ip: string;
  mac: string;
  image: string;
  cpus?: number;
  memoryMb?: number;
}

/** A line of the list of events, and what is selected in the lanes. */
export interface TraceEvent {
  /** Its place in {@link Trace.events}. */
  index: number;
  at: number;
  /** When it ended, where it lasts. */
  until?: number;
  kind: string;
  /** The members that it is about. */
  members: readonly string[];
  /** What it says, in one line. */
  readonly text: string;
  /** Whether it tells of a failure. */
  readonly isBad: boolean;
  /** As it is in the bundle. */
  raw: Record<string, unknown>;
}

/** A stretch in which a member is in one state. */
export interface StateSpan {
  from: number;
  to: number;
  state: string;
  stage: string;
  event: TraceEvent;
}

/** Frames between two, second by second. */
export interface LinkSeries {
  from: string;
  to: string;
  /** By second since the trace's start. */
  frames: Map<number, number>;
  drops: Map<number, Record<string, number>>;
  total: number;
  dropped: number;
  /** The last second that it was told of. */
  last: number;
}

/** A line of a console, or of a journal. */
export interface ConsoleLine {
  at: number;
  member: string;
  text: string;
  isJournal?: boolean;
}

/** A console as it was written. */
export interface Cast {
  member: string;
  columns: number;
  rows: number;
  /** When each piece came, and the piece. */
  times: number[];
  pieces: string[];
  /** How many pieces before these were let go of. */
  gone: number;
}

export interface Meta {
  id: string;
  group: string;
  started: number;
  /** Absent: it was killed, or still records. */
  ended?: number;
  command: string[];
  fleetbox: string;
  hypervisor: string;
  accelerator: string;
  host: string;
  seed: string;
  test?: { name: string; file: string; line?: number; error: string };
}

export interface Trace {
  meta: Meta;
  start: number;
  end: number;
  members: Member[];
  /** Whose MAC that is; `gateway` has one, too. */
  macs: ReadonlyMap<string, string>;
  events: TraceEvent[];
  states: Map<string, StateSpan[]>;
  faults: TraceEvent[];
  /** Commands by member, in the order of their beginning. */
  commands: Map<string, TraceEvent[]>;
  /** Marks, checkpoints and the like: moments of the group. */
  moments: TraceEvent[];
  clocks: Map<string, TraceEvent[]>;
  links: LinkSeries[];
  casts: Cast[];
  lines: ConsoleLine[];
  packets: Packets;
  /** The test's error, with its stack. */
  error: string;
  /** What is missing in the bundle, in words. */
  notices: string[];
}

/** A command that the page has run, or another page of the same group. */
export interface Ran {
  id: number;
  line: string;
  /** Absent: it runs. */
  code?: number;
  /** What it printed. */
  output?: string;
}

/** What a page of a group that runs can do besides. */
export interface Live {
  /** `ended`: for good. */
  readonly status: "connecting" | "live" | "lost" | "ended";
  /** Why it is not live. */
  readonly why: string;
  /** The oldest first. */
  readonly ran: readonly Ran[];
  /** Runs a command of fleetbox; its result is in {@link ran}. */
  run(words: readonly string[]): Promise<void>;
  /** Ends a capture. */
  end(id: number): Promise<void>;
  /** Types into a console: in order, and nothing twice. */
  type(member: string, typed: Uint8Array<ArrayBuffer>): void;
}

/** Where a trace comes from: a bundle, or a group that runs. */
export interface TraceSource {
  /** Tells of the trace as it is known, as often as more is. */
  open(tell: (trace: Trace) => void | Promise<void>): Promise<void>;
}

// Values of foreign JSON.
export const text = (value: unknown): string => typeof value === "string" ? value : "";
export const number = (value: unknown): number | undefined =>
  typeof value === "number" && Number.isFinite(value) ? value : undefined;
export const texts = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((one) => typeof one === "string") : [];
export const record = (value: unknown): Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? value as Record<string, unknown> : {};

/** The first of sorted things that is not before a time. */
export function firstFrom(count: number, atOf: (index: number) => number, time: number): number {
  let low = 0, high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (atOf(middle) < time) low = middle + 1;
    else high = middle;
  }
  return low;
}
