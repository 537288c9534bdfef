/**
 * Where machines of a program live: in a store of this host, or at a place. What is asked of either is the same; a place
 * answers it from there (`place_home.ts`).
 */

import { requireCheckpoint } from "../../control/snapshots/checkpoint.ts";
import type { ForwardWish, Options, PortForward, SnapshotWish } from "../../core/options.ts";
import type { Loss } from "../../core/power_cut.ts";
import type { MemberConfig, Store } from "../../store.ts";
import { type CheckpointManifest, dropCheckpoint, readCheckpoint, removeCheckpoint } from "../../store/snapshots.ts";
import { isSuspended } from "../../store/snapshots/suspended.ts";
import { sizeOf } from "../../system/files.ts";
import type { ProcessIdentity } from "../../system/process.ts";
import type { MemberReport, PowerCutEvent } from "../../wire.ts";
import { readConsole } from "../console_log.ts";
import { MachineGroup } from "../group.ts";
import type { GroupTrace, TracedTest } from "../trace/group_trace.ts";
import type { RebootOptions, RestoreOptions } from "../types.ts";

/** What a name means that the store has already. */
export type Existing = "refuse" | "reuse";

export interface GroupRequest {
  names: readonly string[];
  options: Options;
  /** What machines that are added later are like, where they are not asked to be otherwise. @default `options` */
  defaults?: Options;
  existing: Existing;
  signal?: AbortSignal;
  /** The test whose machines they are. */
  test?: TracedTest;
}

export interface SaveWish {
  /** The checkpoint's name. */
  as: string;
  /** Whether it goes with this process. */
  isOurs: boolean;
  /** The process that it goes with instead. */
  owner?: ProcessIdentity;
  signal?: AbortSignal;
}

/** A group of machines that this program brought up. Its members are called by their names in the store. */
export interface Group {
  readonly home: Home;
  /** Undefined: it is not traced. */
  readonly trace: GroupTrace | undefined;
  /** Boots a new machine onto the group's network. @throws why it did not come up; the group is as it was then. */
  add(name: string, asked: Options, signal?: AbortSignal): Promise<MemberReport>;
  /** Boots a stopped member; returns a running member's report as it is. */
  start(name: string, request: RebootOptions): Promise<MemberReport>;
  /** Suspends the members that run, at one moment. @throws {FleetboxError} why it cannot be done: they run on then */
  suspend(names: readonly string[]): Promise<void>;
  /** Saves members at one moment. */
  checkpoint(names: readonly string[], how: SaveWish): Promise<CheckpointManifest>;
  /** Takes members back to a checkpoint: those that run are ended, those that were destroyed are made again. */
  restore(wish: SnapshotWish, request: RestoreOptions): Promise<MemberReport[]>;
  /**
   * The holder's report of a member; undefined when no holder serves it.
   * @param reach whether to wait for a gateway that has just died, so that a running machine can be reached.
   */
  report(name: string, reach?: boolean): Promise<MemberReport | undefined>;
  /** Shuts a member down; returns when it is down. */
  stop(name: string, options: { graceMs?: number; signal?: AbortSignal }): Promise<void>;
  /** Makes a port of this host lead to a member's. */
  forward(name: string, wish: ForwardWish): Promise<PortForward>;
  /** Cuts a member's power; returns when it is down, with what was lost if something was to be. */
  kill(name: string, loss?: Loss): Promise<PowerCutEvent | undefined>;
  /** Stops a member and removes it with its disk. Calling it twice is fine. */
  destroy(name: string): Promise<void>;
  /** Keeps a member beyond the end, as if the user had made it. @returns where its files are */
  keep(name: string): Promise<[what: string, path: string][]>;
  /** Ends a member: removed when the group made it, else shut down. */
  release(name: string): Promise<void>;
  /** Ends the group: stops all its machines, and removes those that it made. Calling it twice is fine. */
  close(): Promise<void>;
}

export interface Home {
  /** Leads to the sockets and the key of its members. At a place it has nothing else. */
  readonly store: Store;
  /** The directory of that store or, of all homes at a place, the same one: who has it finds the same checkpoints. */
  readonly origin: string;
  /** Boots a group. @throws {FleetboxError} why it did not come up; then its machines are removed. */
  open(request: GroupRequest): Promise<{ group: Group; reports: MemberReport[] }>;
  config(name: string): Promise<MemberConfig | undefined>;
  /** What a member is that nobody serves. */
  standing(name: string): Promise<"stopped" | "suspended" | "absent">;
  /** How long a member's console log is now. */
  consoleSize(name: string): Promise<number>;
  /** A member's console log from an offset on. */
  console(name: string, from: number): Promise<string>;
  /** @throws {FleetboxError} `not-found`, `damaged` */
  checkpoint(name: string): Promise<CheckpointManifest>;
  /** Undefined: there is none. @throws {FleetboxError} `damaged` */
  findCheckpoint(name: string): Promise<CheckpointManifest | undefined>;
  removeCheckpoint(name: string): Promise<void>;
  /** The same when this process ends, which can wait for nothing. */
  dropCheckpoint(name: string): void;
  /** A command of fleetbox for a member of it, as its user has to type it. */
  commandLine(command: string, name: string): string;
}

/** A store of this host. */
export class LocalHome implements Home {
  constructor(readonly store: Store) {}

  get origin(): string {
    return this.store.root;
  }

  async open(request: GroupRequest): Promise<{ group: MachineGroup; reports: MemberReport[] }> {
    return await MachineGroup.open({ ...request, home: this });
  }

  config(name: string): Promise<MemberConfig | undefined> {
    return Promise.resolve(this.store.config(name));
  }

  standing(name: string): Promise<"stopped" | "suspended" | "absent"> {
    if (!this.store.readMember(name)) return Promise.resolve("absent");
    return Promise.resolve(isSuspended(this.store, name) ? "suspended" : "stopped");
  }

  consoleSize(name: string): Promise<number> {
    return Promise.resolve(sizeOf(this.store.member(name).serialLog));
  }

  console(name: string, from: number): Promise<string> {
    return Promise.resolve(readConsole(this.store.member(name).serialLog, from));
  }

  // deno-lint-ignore require-await -- its error rejects
  async checkpoint(name: string): Promise<CheckpointManifest> {
    return requireCheckpoint(this.store, name);
  }

  // deno-lint-ignore require-await -- its error rejects
  async findCheckpoint(name: string): Promise<CheckpointManifest | undefined> {
    return readCheckpoint(this.store, name);
  }

  async removeCheckpoint(name: string): Promise<void> {
    await removeCheckpoint(this.store, name);
  }

  dropCheckpoint(name: string): void {
    dropCheckpoint(this.store, name);
  }

  commandLine(command: string, name: string): string {
    return `FLEETBOX_HOME=${this.store.root} fleetbox ${command} ${name}`;
  }
}
