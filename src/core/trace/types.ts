/**
 * What is in a trace: the shapes of `meta.json` and of the lines of `events.ndjson`. docs/trace.md describes the other files.
 *
 * A trace is written by several programs and read by others, of other versions too: a reader ignores keys and kinds of events
 * that it does not know.
 */

import type { FaultSpec } from "../faults.ts";

export const TRACE_FORMAT = "fleetbox-trace";
/** Raised when a reader of the version before would misread it. */
export const TRACE_VERSION = 1;

/** Whether a file of a trace has events: there is one for each writer. */
export const isEvents = (name: string) => /^events(-\d+)?\.ndjson$/.test(name);

/** `meta.json`. Times are ISO 8601, sizes as their names say. */
export interface TraceMeta {
  format: typeof TRACE_FORMAT;
  version: number;
  id: string;
  group: string;
  group_id: string;
  /** Versions of the programs. */
  fleetbox: string;
  hypervisor?: string;
  accelerator?: string;
  host: { os: string; arch: string; cpus: number; memory_mb: number; boot_id?: string };
  started: string;
  /** Absent: its recorder runs still, or was killed. */
  ended?: string;
  /** The command line that records it. */
  command?: string[];
  members: TraceMember[];
  gateway?: { mac: string; ip: string };
  test?: { name: string; file?: string; line?: number; error?: string };
  limit_bytes: number;
  /** Why it ends before its group: its disk was full, for one. */
  problem?: string;
}

export interface TraceMember {
  name: string;
  host_name: string;
  mac?: string;
  ip?: string;
  image?: string;
  /** The identity of the image from which it was made. */
  image_id?: string;
  cpus?: number;
  memory_mb?: number;
  /** The checkpoint that it was forked from, or restored to. */
  from_checkpoint?: string;
  disk_mb?: number;
  /** When it is not the host's. */
  arch?: "x86_64" | "aarch64";
  /** When the user chose it. */
  firmware?: "bios" | "uefi";
  egress?: "on" | "off";
}

/** Where in a test something was asked for. */
export interface CallSite {
  file: string;
  line: number;
  column: number;
}

interface Base {
  /** ISO 8601, with milliseconds. */
  at: string;
}

/** A member has another state. `gone`: nobody serves it any more. */
export interface TraceState extends Base {
  event: "state";
  name: string;
  state: string;
  stage?: string;
  ip?: string;
  reason?: string;
  hint?: string;
}

export interface TraceFault extends Base {
  event: "fault-began" | "fault-ended";
  id: string;
  kind: string;
  /** In words. */
  what: string;
  members: string[];
  /** When it began: with it the fault can be made again. */
  spec?: FaultSpec;
  seed?: number;
  /** When it ended: what it has done to frames. */
  counts?: Record<string, number>;
}

/** Something was saved, or goes on from what was saved. */
export interface TraceSaved extends Base {
  event: "checkpoint" | "fork" | "restore" | "suspend";
  /** The checkpoint's; a suspension has none. */
  name?: string;
  members: string[];
  /** The moment of the save, ISO 8601, which is told of when it is complete. */
  since?: string;
  /** For how long they stood still. */
  paused_ms?: number;
}

export interface TraceForward extends Base {
  event: "forward";
  what: string;
  name: string;
  host_port: number;
  guest_port: number;
  /** Absent: TCP. */
  protocol?: "udp";
  /** Absent: 127.0.0.1. */
  address?: string;
  problem?: string;
}

export interface TraceNotice extends Base {
  event: "notice";
  message: string;
}

export interface TraceHolder extends Base {
  event: "holder";
  what: "began" | "orphaned" | "adopted" | "missed" | "ended";
  /** The holder's process. */
  pid: number;
}

/** `command-began`, and with its end `command`, of the same `id`. */
export interface TraceCommand extends Base, Partial<CallSite> {
  event: "command-began" | "command";
  id: string;
  /** The member. */
  name: string;
  argv: string[];
  code?: number;
  signal?: string;
  /** Why there is no code. */
  error?: string;
  duration_ms?: number;
  stdout?: string;
  stderr?: string;
  /** How much of the output is not here. */
  cut_bytes?: number;
}

/** The test's own words. */
export interface TraceMark extends Base, Partial<CallSite> {
  event: "mark";
  text: string;
}

export interface TraceTest extends Base {
  event: "test-began" | "test-ended";
  test: string;
  ok?: boolean;
  error?: string;
}

/** How far a guest's clock is ahead of its host's. */
export interface TraceClock extends Base {
  event: "clock";
  name: string;
  offset_ms: number;
  /** How exact that is. */
  error_ms?: number;
}

/** What passed from one to another in the second before. `to`: a name, `gateway`, or `*` for all. */
export interface TraceLink extends Base {
  event: "link";
  from: string;
  to: string;
  frames: number;
  bytes: number;
  /** Further frames of the sender's, to anybody: there were too many to record each. */
  missed?: number;
  /** Frames by what dropped them. */
  dropped?: Record<string, number>;
}

/** Something is not in the trace. */
export interface TraceCut extends Base {
  event: "cut";
  file: string;
  why: "ring" | "disk-full";
  bytes?: number;
}

export type TraceEvent =
  | TraceState
  | TraceFault
  | TraceSaved
  | TraceForward
  | TraceNotice
  | TraceHolder
  | TraceCommand
  | TraceMark
  | TraceTest
  | TraceClock
  | TraceLink
  | TraceCut;
