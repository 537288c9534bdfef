/** What a holder tells: of a member, of its group, and of what changes (`wire.ts`). Types alone. */

import type { WireError } from "../core/errors.ts";
import type { PortForward } from "../core/options.ts";

/**
 * The states of a member, as the protocol names them.
 *
 * @example
 * ```ts
 * import { start, type State } from "fleetbox";
 *
 * await using vm = await start();
 * const state: State | "absent" = await vm.state();
 * if (state !== "running") console.log(await vm.console({ lines: 20 }));
 * ```
 */
export type State = "downloading" | "starting" | "running" | "stopped" | "error";
/**
 * Where a member is within its state, for people: an error of a boot that was too slow says how far it came.
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
  | "disk"
  | "boot"
  | "kernel"
  | "network"
  | "ssh"
  | "cloud-init"
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
  /** While it is `downloading`: how far. Bytes; `rate` in bytes a second. */
  download?: { bytes: number; total?: number; rate: number };
  /** What it is called on its group's network. Absent: its name. */
  host_name?: string;
  /** The group's name: that of its first member. Two groups can have the same. */
  group?: string;
  /** The group's id: 12 hexadecimal digits, the same as long as any of its machines runs. Earlier holders do not tell it. */
  group_id?: string;
}

/** What the JSON requests tell of a member. */
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
  /** The hypervisor's process id, while there is one. */
  hypervisor_pid?: number;
  /** Of a `report` and a `group`, which ask: its hypervisor did not answer within half a second. Absent: it did. */
  not_answering?: true;
  /** Of a `report` that was asked `verbose`: the hypervisor's program and arguments, when its holder has started it. */
  command?: string[];
  /** Ports of this host that lead to its own. Absent: there are none. */
  forwards?: ForwardReport[];
  /** Frames on the member's port of the switch. */
  network?: PortReport;
}

/** A port of this host's loopback that leads to a member's, or shall. */
export interface ForwardReport extends PortForward {
  /** Whether it can be connected to now. */
  open: boolean;
  /** Why not, although the member runs. */
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
  /** Why the gateway does not stay up, and when it is tried next. */
  gateway_trouble?: string;
}

/**
 * A step of a member's boot or stop, for who wants to know each: `watch`, `add` and `stop` tell them when they are asked
 * `verbose`. Whoever comes to watch later is told those of the latest boot first. `command`: the program and arguments of
 * what is about to be started.
 */
export interface Detail {
  event: "detail";
  name: string;
  message: string;
  command?: string[];
}

/** A line of a streamed reply. */
export type Event =
  | { event: "member"; member: MemberReport }
  | { event: "gone"; name: string }
  | { event: "note"; message: string }
  | Detail
  | { event: "done" }
  | ({ event: "error" } & WireError);

/** The reply to `console`. */
export interface ConsoleGreeting {
  event: "console";
  /** How many bytes of what was said before follow. */
  replay: number;
}
