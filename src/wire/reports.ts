/** What a holder reports: members, its group, and changes (`wire.ts`). Types only. */

import type { WireError } from "../core/errors.ts";
import type { FaultKind, FaultSpec } from "../core/faults.ts";
import type { LossMode, LostWrites } from "../core/power_cut.ts";
import type { PortForward } from "../core/options.ts";

/**
 * The states of a member, as the protocol names them.
 *
 * @example
 * ```ts
 * import { start, type State } from "fleetbox";
 *
 * await using vm = await start();
 * const state: State | "suspended" | "absent" = await vm.state();
 * if (state !== "running") console.log(await vm.console({ lines: 20 }));
 * ```
 */
export type State = "downloading" | "starting" | "running" | "stopped" | "error";
/**
 * Where a member is within its state, for people: the error of a slow boot says how far it came.
 *
 * @example
 * ```ts
 * import type { Stage } from "fleetbox";
 *
 * const stages: Stage[] = ["image", "disk", "boot", "kernel", "network", "ssh"];
 * console.log(stages.join(", then "));
 * ```
 */
export type Stage =
  | "image"
  | "waiting"
  | "queued"
  | "disk"
  | "boot"
  | "kernel"
  | "network"
  | "ssh"
  | "cloud-init"
  | "script"
  | "ready"
  | "stopping"
  | "paused"
  | "adoption";

/** How to reach a member over SSH from the host. The key is the store's. */
export interface SshEndpoint {
  host: string;
  port: number;
  user: string;
}

/** The reply to `status`. The first six keys are fixed; the others are ours. */
export interface Status {
  name: string;
  /** The holder's process id. */
  pid: number;
  /** True for `downloading`, `starting` and `running`. */
  running: boolean;
  /** The address on the group's network; "" while the member has none. */
  ip: string;
  state: State;
  error?: string;
  stage?: Stage;
  /** When the state began, ISO 8601. */
  since?: string;
  ssh?: SshEndpoint;
  /** The progress while `downloading`, in bytes; `rate` in bytes a second. */
  download?: { bytes: number; total?: number; rate: number };
  /** What it is called on its group's network. Absent: its name. */
  host_name?: string;
  /** The group's name: that of its first member. Two groups can have the same. */
  group?: string;
  /** The group's id: 12 hexadecimal digits, the same as long as any of its machines runs. Earlier holders do not tell it. */
  group_id?: string;
}

/** A member in replies to JSON requests. */
export interface MemberReport extends Status {
  cpus: number;
  memory_mb: number;
  image: string;
  /** Its group ends with the program that made it. Absent: it does not. */
  bound?: true;
  /** Whether it reaches the outside. Absent: it is just being made, or its holder is of an earlier version. */
  egress?: "on" | "off";
  /** Whether it reaches services on the host's own loopback. */
  host_access?: boolean;
  /** The cause of `error`, whole. */
  failure?: WireError;
  /** Its start failed, and its holder goes as soon as a client has been told why: by this report, or by `status`. */
  leaving?: true;
  /** Its machine did not boot: it goes on where a saved one was. */
  warm?: true;
  /** How many resets of its machine this holder has seen: a restart of its guest is one or more. Absent: none. */
  resets?: number;
  /** The template from which it was made. Absent: it booted from its image. */
  template?: string;
  /** The hypervisor and its version, `QEMU 7.2.22`, while it runs. */
  hypervisor?: string;
  /** The hypervisor's process id, while it runs. */
  hypervisor_pid?: number;
  /**
   * In replies to `report` and `group`, which ask the hypervisor: it did not answer within half a second. Absent: it
   * did.
   */
  not_answering?: true;
  /** In a `report` with `verbose`: the hypervisor's program and arguments, when its holder has started it. */
  command?: string[];
  /** Port forwards to the member. Absent: there are none. */
  forwards?: ForwardReport[];
  /** Frames on the member's port of the switch. */
  network?: PortReport;
  /** The faults that it is under, at most the first 20, and how many there are. Absent: none. */
  faults?: { id: string; what: string }[];
  fault_count?: number;
}

/** A fault of a group. */
export interface FaultReport {
  id: string;
  kind: FaultKind;
  /** In words, one line. */
  what: string;
  spec: FaultSpec;
  seed: number;
  /** The members that it touches now. */
  members: string[];
  /** ISO 8601. */
  since: string;
  /** How long it is until it ends by itself, in milliseconds. Absent: until it is healed. */
  left_ms?: number;
  /** It has no effect at this moment: a flap that is up. */
  is_off?: true;
  /** What it has done, by what: frames, milliseconds such as `paused_ms`, `steps` of a clock. What is not there did not happen. */
  counts: Record<string, number>;
}

/** A fault of the group has begun, or is over. */
export interface FaultEvent {
  event: "fault-began" | "fault-ended";
  id: string;
  kind: FaultKind;
  what: string;
  members: string[];
  /** When it is over: what it has done to frames, see {@link FaultReport.counts}. Absent: nothing, or it is one of a machine. */
  counts?: Record<string, number>;
}

/** The faults of a group. */
export interface FaultsReport {
  group: string;
  group_id: string;
  faults: FaultReport[];
}

/** The clock of a member's guest. */
export interface ClockReport {
  name: string;
  /** How far it is ahead of the host's, in milliseconds; less than 0: behind. */
  offset_ms: number;
  /** By how much that may be wrong, in milliseconds. */
  error_ms: number;
}

/** A port forward of a member, open or not. */
export interface ForwardReport extends PortForward {
  /** Whether it accepts connections now. */
  open: boolean;
  /** Why it is not open, although the member runs. */
  problem?: string;
}

/** Counters of one port of the switch, since the port was plugged in. `dropped` counts frames by reason. */
export interface PortReport {
  rx_frames: number;
  rx_bytes: number;
  tx_frames: number;
  tx_bytes: number;
  dropped: Record<string, number>;
}

/** The whole group, the reply to `{"op":"group"}`. */
export interface GroupReport {
  group: string;
  /** See {@link Status.group_id}. */
  group_id?: string;
  pid: number;
  /** Version of the program that holds the group. */
  version: string;
  protocol: number;
  bound: boolean;
  /** Whether any of its members has egress. */
  egress: "on" | "off";
  /** Whether any of its members has access to the host. */
  host_access: boolean;
  /** `fallback`: slow emulation, for want of something better. */
  accelerator?: { name: string; reason: string; fallback?: true };
  members: MemberReport[];
  gateway?: PortReport;
  /** Why the gateway does not stay up, and when it is started again. */
  gateway_trouble?: string;
}

/**
 * A step of a member's boot, save or stop. `watch`, `add`, `checkpoint`, `suspend` and `stop` send them when the request has `verbose`.
 * A later `watch` first gets the steps of the latest boot. `command`: the program and arguments that are about to be started.
 */
export interface Detail {
  event: "detail";
  name: string;
  message: string;
  command?: string[];
}

/**
 * A line that a script has said in a member's guest. `watch`, `add` and `run` send them when the request has `output`.
 */
export interface OutputEvent {
  event: "output";
  name: string;
  /** The script's name. */
  script: string;
  /** Without its line feed and without escape sequences. */
  line: string;
}

/** What a power cut has done, of a `stop` with `lose_unflushed`. */
export interface PowerCutEvent extends LostWrites {
  event: "power-cut";
  name: string;
  mode: LossMode;
  seed: number;
}

/** Members were saved at one instant: for a checkpoint, and they go on; or they were suspended, and their machines end. */
export interface SavedEvent {
  event: "saved";
  what: "checkpoint" | "suspend";
  /** The checkpoint's. */
  name?: string;
  /** The moment, ISO 8601. */
  since: string;
  members: string[];
  /** For how long those of a checkpoint stood still, in whole milliseconds. */
  paused_ms?: number;
}

/** A line of a streamed reply. */
export type Event =
  | { event: "member"; member: MemberReport }
  | { event: "gone"; name: string }
  | { event: "note"; message: string }
  | Detail
  | OutputEvent
  | PowerCutEvent
  | FaultEvent
  | SavedEvent
  | { event: "done" }
  | ({ event: "error" } & WireError);

/** The reply to `capture`. */
export interface CaptureGreeting {
  event: "capture";
  /** Those whose frames follow: members, and the gateway as `gateway`. */
  members: string[];
}

/** The reply to `console`. */
export interface ConsoleGreeting {
  event: "console";
  /** How many bytes of past output follow. */
  replay: number;
}

/** The reply to `journal`. */
export interface JournalGreeting {
  event: "journal";
  name: string;
}

/** A line after {@link JournalGreeting}: what a program in the guest has told. */
export interface JournalEntry {
  /** ISO 8601, on the host's clock. */
  at: string;
  /** Where it is: `after` takes it. */
  cursor: string;
  /** The program that wrote it, and its process. */
  name: string;
  pid?: number;
  unit?: string;
  /** From 0, an emergency, to 7, as in syslog(3). */
  priority?: number;
  /** Without control characters; may have several lines. */
  text: string;
}
