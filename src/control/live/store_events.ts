/** What `fleetbox events` tells: the shapes, each with the time at which this program heard of it. */

import type { FaultKind } from "../../core/faults.ts";
import type { HostSide } from "../../core/port_forwards.ts";
import type { Stage, State } from "../../wire.ts";

/** Where it happened. */
interface OfGroup {
  /** ISO 8601. */
  at: string;
  /** The group's name, which another group can have as well. */
  group: string;
  group_id: string;
}

/** A group: `present` at the beginning of the stream, or begun since; and what becomes of it. */
export interface GroupEvent extends OfGroup {
  event: "group";
  /**
   * `orphaned`: its holder died, its machines run. `adopted`: another holder serves it. `missed`: its holder did not wait
   * for this program any longer; what happened in between is not told, what is now is.
   */
  what: "present" | "began" | "orphaned" | "adopted" | "missed" | "ended";
  members: string[];
  /** The process that holds it, or held it last. */
  holder: number;
}

/** A member, whose state is another one now. */
export interface StateEvent extends OfGroup {
  event: "state";
  name: string;
  /** `gone`: it is not served any more, its machine is down. */
  state: State | "gone";
  stage?: Stage;
  ip?: string;
  since?: string;
  /** Why it is `error`, or what is wrong with it. */
  reason?: string;
  hint?: string;
}

/** A port forward of a member. */
export interface ForwardEvent extends OfGroup, HostSide {
  event: "forward";
  what: "added" | "open" | "closed" | "removed";
  name: string;
  host_port: number;
  guest_port: number;
  /** Why it is not open. */
  problem?: string;
}

/** A fault. One that is there when the stream begins has begun, too. */
export interface FaultChange extends OfGroup {
  event: "fault-began" | "fault-ended";
  id: string;
  kind: FaultKind;
  what: string;
  members: string[];
  /** When it is over: what it has done to frames. Absent: nothing, or it is one of a machine. */
  counts?: Record<string, number>;
}

/** What the holder tells users. */
export interface NoticeEvent extends OfGroup {
  event: "notice";
  message: string;
}

/** Members were saved at one instant: for a checkpoint, and they go on; or they are suspended. */
export interface SavedChange extends OfGroup {
  event: "saved";
  what: "checkpoint" | "suspend";
  /** The moment, ISO 8601. */
  since: string;
  /** The checkpoint's. */
  name?: string;
  members: string[];
  /** For how long those of a checkpoint stood still, in whole milliseconds. */
  paused_ms?: number;
}

export type StoreEvent = GroupEvent | StateEvent | ForwardEvent | FaultChange | SavedChange | NoticeEvent;

/** An event without what all of them have. */
export type Happening = StoreEvent extends infer E ? E extends StoreEvent ? Omit<E, keyof OfGroup> : never : never;
