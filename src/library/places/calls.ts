/**
 * What a program here asks of the library at a place: lines of JSON over one SSH session, `fleetbox __library` there. That
 * session is the program's lifeline: at its end, whatever ended it, the machines that it made there end.
 *
 *     there → here   {"library":1,"version":"fleetbox 0.1.0 (…)"}      first
 *     here → there   {"id":1,"group":1,"call":"open","fields":{…}}     calls run beside each other
 *     here → there   {"cancel":1}                                      as a signal that fires
 *     there → here   {"id":1,"result":…}   {"id":1,"error":{"code","message","causes","hint"}}
 */

import type { ForwardWish, Options, PortForward, SnapshotWish } from "../../core/options.ts";
import type { WireError } from "../../core/errors.ts";
import type { Loss } from "../../core/power_cut.ts";
import type { MemberConfig } from "../../store.ts";
import type { CheckpointManifest } from "../../store/snapshots.ts";
import type { ProcessIdentity } from "../../system/process.ts";
import type { MemberReport, PowerCutEvent } from "../../wire.ts";
import type { GroupRequest, Home } from "./home.ts";
import type { RebootOptions, RestoreOptions } from "../types.ts";

/** Both sides have to have the same. */
export const LIBRARY_PROTOCOL = 1;
/** The hidden command. */
export const LIBRARY_COMMAND = "__library";
/** The longest line: a console's log of a MiB, quoted. */
export const MAX_LINE = 16 * 1024 * 1024;

type Unsignalled<T> = Omit<T, "signal">;
type Named = { name: string };

/** Each call: its fields, and what it gives. */
export interface Calls {
  open: [Omit<GroupRequest, "signal" | "test">, MemberReport[]];
  add: [Named & { asked: Options }, MemberReport];
  start: [Named & { request: Unsignalled<RebootOptions> }, MemberReport];
  suspend: [{ names: readonly string[] }, void];
  /** `owner`: of a checkpoint that goes with another process than the library there. */
  save: [
    { names: readonly string[]; as: string; isOurs: boolean; owner?: ProcessIdentity },
    CheckpointManifest,
  ];
  restore: [{ wish: SnapshotWish; request: Unsignalled<RestoreOptions> }, MemberReport[]];
  report: [Named & { reach?: boolean }, MemberReport | undefined];
  stop: [Named & { graceMs?: number }, void];
  forward: [Named & { wish: ForwardWish }, PortForward];
  kill: [Named & { loss?: Loss }, PowerCutEvent | undefined];
  destroy: [Named, void];
  keep: [Named, [what: string, path: string][]];
  release: [Named, void];
  close: [Record<never, never>, void];
  config: [Named, MemberConfig | undefined];
  standing: [Named, Awaited<ReturnType<Home["standing"]>>];
  consoleSize: [Named, number];
  console: [Named & { from: number }, string];
  checkpoint: [Named, CheckpointManifest];
  findCheckpoint: [Named, CheckpointManifest | undefined];
  removeCheckpoint: [Named, void];
  /** A checkpoint that is made beside it, in a job, goes with it; it says who it is. */
  hold: [Named, ProcessIdentity | undefined];
  /** The private key of the members there. */
  key: [Record<never, never>, string];
}

export type Call = keyof Calls;

export interface Greeting {
  library: number;
  version: string;
}

export type Request = { id: number; group?: number; call: Call; fields: unknown } | { cancel: number };

export type Reply = { id: number; result?: unknown; error?: WireError };
