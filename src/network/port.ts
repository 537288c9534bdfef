/**
 * One port of the switch: a stream socket to a hypervisor, its reader, its queue, its counters.
 *
 * A port owns its connection. It reads into one buffer and passes the bytes to the switch, synchronously; it writes the
 * switch's queue, one write at a time. It ends once, for one reason: the peer closed it, it broke, its stream is
 * garbage, or we closed it. It knows nothing of other ports.
 */

import { type Counters, Drop, type PortCounters } from "./counters.ts";
import { countFrames, FrameReader, HEADER_BYTES } from "./frame.ts";
import type { GatewayRules } from "./guard.ts";
import type { Hold } from "./hold.ts";
import { FrameQueue } from "./queue.ts";
import { messageOf } from "../core/errors.ts";

/** The connection of a port, such as `Deno.UnixConn`. */
export interface Duplex {
  read(into: Uint8Array): Promise<number | null>;
  write(from: Uint8Array): Promise<number>;
  close(): void;
}

export interface PortOptions {
  /** The member's name; for the gateway it is only a label. */
  name: string;
  role: "member" | "gateway";
  /** The member's MAC; without one the port may use any unassigned MAC. */
  mac?: string;
  /** The member's address in the group's network. */
  ip?: string;
  /** What the member may use the gateway for. @default as it was, for a new name nothing ({@link CLOSED}) */
  rules?: GatewayRules;
}

/** Why a port ended. */
interface PortEnd {
  why: "ended" | "broken" | "garbage" | "closed" | "replaced" | "removed";
  /** A sentence for a log. */
  message: string;
}

/** A port, as the holder sees it. */
export interface Port {
  readonly isOpen: boolean;
  readonly name: string;
  readonly role: "member" | "gateway";
  /**
   * Resolves once the connection is closed and not read any more. Never rejects. A write to a peer that does not read
   * may still be pending: before Deno 2.9 closing does not end it, only the peer does.
   */
  readonly closed: Promise<PortEnd>;
  readonly counters: PortCounters;
  /** Closes the connection. The switch protects the member's addresses until `removePort`. */
  close(): void;
}

/** The switch's handler of a port's bytes. Returns the reason when the stream is garbage. */
export interface PortOwner {
  /** While it is on, a port passes nothing on. */
  readonly hold: Hold<LivePort>;
  received(port: LivePort): string | undefined;
  ended(port: LivePort): void;
  /** The queue of a port that had too little room is being written. */
  drained(port: LivePort): void;
}

/** A port as the switch sees it. */
export class LivePort implements Port {
  readonly name: string;
  readonly role: "member" | "gateway";
  readonly closed: Promise<PortEnd>;
  readonly reader = new FrameReader();
  readonly queue = new FrameQueue();
  /** Whether the port waits for its flush. */
  #isDirty = false;
  /** Whether a frame came since the port was added. */
  wasHeard = false;
  /** Whether somebody waits for room in the queue. */
  #isAwaited = false;
  #end: PortEnd | undefined;
  #writing: Promise<void> | undefined;

  constructor(
    readonly id: number,
    private readonly conn: Duplex,
    options: PortOptions,
    readonly counts: Counters,
    private readonly owner: PortOwner,
  ) {
    this.name = options.name;
    this.role = options.role;
    this.closed = this.#run();
  }

  get counters(): PortCounters {
    return this.counts.snapshot();
  }

  get isOpen(): boolean {
    return this.#end === undefined;
  }

  close(): void {
    this.end({ why: "closed", message: "closed by us" });
  }

  /** Ends the port; the first reason stands. */
  end(reason: PortEnd): void {
    if (this.#end !== undefined) return;
    this.#end = reason;
    try {
      this.conn.close();
    } catch { /* it was already closed */ }
    this.owner.ended(this);
  }

  /** Queues as many whole frames, with their lengths, as there is room for, and counts. It is dirty then. @returns up to where */
  enqueue(bytes: Uint8Array, from: number, end: number, frames: number, dirty: LivePort[]): number {
    const { counts } = this;
    const until = this.queue.append(bytes, from, end);
    const refused = until === end ? 0 : countFrames(bytes, until, end);
    if (refused > 0) counts.drop(Drop.queueFull, refused);
    counts.txFrames += frames - refused;
    counts.txBytes += until - from - (frames - refused) * HEADER_BYTES;
    if (!this.#isDirty) dirty.push(this);
    this.#isDirty = true;
    return until;
  }

  /** Whether the queue takes so many bytes. If not, the owner is told when it may. */
  awaitRoom(bytes: number): boolean {
    if (this.queue.hasRoom(bytes)) return true;
    this.#isAwaited = true;
    return false;
  }

  /** Begins to write the queue, unless a write is pending, which then continues with it. */
  flush(): void {
    this.#isDirty = false;
    if (this.#writing === undefined && this.isOpen && !this.queue.isEmpty) this.#writing = this.#drain();
  }

  async #run(): Promise<PortEnd> {
    await undefined; // the caller that adds the port gets it before its first frame
    try {
      while (this.isOpen) {
        const count = await this.conn.read(this.reader.room());
        if (!this.isOpen) break;
        if (count === null) {
          const rest = this.reader.pending > 0 ? ", in the middle of a frame" : "";
          this.end({ why: "ended", message: `the other side closed the connection${rest}` });
          break;
        }
        this.reader.commit(count);
        if (this.owner.hold.isOn && !await this.#released()) break;
        const garbage = this.owner.received(this);
        if (garbage !== undefined) this.end({ why: "garbage", message: garbage });
      }
    } catch (thrown) {
      this.end({ why: "broken", message: `cannot read: ${messageOf(thrown)}` });
    }
    return this.#end!;
  }

  /** Waits until nothing holds the switch. False: the port ended meanwhile. */
  async #released(): Promise<boolean> {
    while (this.owner.hold.isOn && this.isOpen) await this.owner.hold.wait(this);
    return this.isOpen;
  }

  async #drain(): Promise<void> {
    try {
      while (this.isOpen && !this.queue.isEmpty) {
        let rest = this.queue.take();
        if (this.#isAwaited) {
          this.#isAwaited = false;
          queueMicrotask(() => this.owner.drained(this));
        }
        while (rest.length > 0) {
          if (this.owner.hold.isOn && !await this.#released()) return;
          const count = await this.conn.write(rest);
          if (count >= rest.length) break;
          rest = rest.subarray(count);
        }
      }
    } catch (thrown) {
      this.end({ why: "broken", message: `cannot write: ${messageOf(thrown)}` });
    }
    this.#writing = undefined;
  }
}
