/**
 * What a switch tells of its frames while somebody captures: each frame with what becomes of it.
 *
 * The switch brackets a frame with {@link Tap.begin} and {@link Tap.end}; in between it tells who gets it, why somebody does not, and
 * which faults it meets. A frame is recorded once: on its sender's interface, as outbound, when that is captured; else on the
 * interface of each receiver that is captured, as inbound. One that was delayed, and is dropped when its time has come, has a second record on
 * its sender's interface, which says so. A switch without a tap does not load this file.
 */

import { GATEWAY } from "../../core/faults/gateway_name.ts";
import { DIRECTION, type Direction } from "../../core/pcapng/blocks.ts";
import { Drop, PASS, type Verdict } from "../counters.ts";
import type { InFlight, Pair } from "../faults/pair.ts";
import type { FaultCounts } from "../faults/conditions.ts";
import { HEADER_BYTES, lengthAt } from "../frame.ts";
import { GATEWAY_ID } from "../links.ts";
import type { Capture } from "./capture.ts";
import { HostClock } from "./host_clock.ts";
import { causeOfFaults, causeOfVerdict } from "./words.ts";

/** Something that happened to a frame. */
interface Fate {
  /** To whom it was on its way; 0: to all. */
  toId: number;
  isDrop: boolean;
  /** What happened; the verdict, or the faults, that did it. */
  what: string;
  by: Verdict | readonly string[];
}

interface Current {
  fromId: number;
  bytes: Uint8Array;
  at: number;
  end: number;
  timeUs: number;
  /** Whether it has waited, and was recorded when it came. */
  isLate: boolean;
  delivered: number;
  fates: Fate[] | undefined;
  isTold: boolean;
  /** What was so before a fault judged it. */
  before: Before | undefined;
}

interface Before {
  delivered: number;
  waiting: number;
  drops: number;
  counts: FaultCounts[];
}

/** What a fault does to a frame that is still delivered. */
const EFFECTS = ["delayed", "duplicated", "reordered", "corrupted"] as const;

export class Tap {
  readonly #captures = new Set<Capture>();
  /** The frame that is being processed, on top of that which caused it. */
  readonly #stack: Current[] = [];
  readonly #clock = new HostClock();
  #chunkId = 0;
  #chunkUs = 0;
  /** A chunk's frames, one after the other: none of them is kept. */
  readonly #frame: Current = {
    ...{ fromId: 0, bytes: new Uint8Array(), at: 0, end: 0, timeUs: 0, isLate: false },
    ...{ delivered: 0, fates: undefined, isTold: false, before: undefined },
  };

  /** @param nameOf the name of a port, by its id */
  constructor(private readonly nameOf: (id: number) => string | undefined) {}

  add(capture: Capture): void {
    this.#captures.add(capture);
  }

  /** @returns how many are left */
  remove(capture: Capture): number {
    this.#captures.delete(capture);
    return this.#captures.size;
  }

  /** A port's frames come now, which the switch has read at once. False: nobody wants them; {@link skip} is told how many they were. */
  beginChunk(id: number, nowMs: number): boolean {
    let isWanted = false;
    for (const capture of this.#captures) isWanted = capture.isDue(nowMs) || isWanted;
    if (!isWanted) return false;
    this.#chunkId = id;
    this.#chunkUs = this.#clock.timeUs(nowMs);
    return true;
  }

  /** Frames of a chunk that nobody wanted. */
  skip(id: number, frames: number): void {
    for (const capture of this.#captures) {
      const its = this.#interfaceOf(capture, id);
      if (its) capture.skip(its, frames);
    }
  }

  /** The next one of them. {@link end} or {@link endPlain} follows. */
  beginFrame(bytes: Uint8Array, at: number, end: number): void {
    const reused = this.#frame;
    reused.fromId = this.#chunkId;
    reused.bytes = bytes;
    reused.at = at;
    reused.end = end;
    reused.timeUs = this.#chunkUs;
    reused.delivered = 0;
    reused.fates = undefined;
    reused.isTold = false;
    reused.before = undefined;
    this.#stack.push(reused);
  }

  /** It goes to one port, in a run. False: there is something to tell of it; it is not ended. */
  endPlain(): boolean {
    const { fates, delivered, isTold } = this.#frame;
    if (fates !== undefined || delivered > 0 || isTold) return false;
    this.#stack.pop();
    return true;
  }

  /** A run of the chunk's frames with their lengths, `bytes[from, end)`: a port got those up to `until`, and has no room for the others. */
  ran(toId: number, bytes: Uint8Array, from: number, until: number, end: number): void {
    for (const capture of this.#captures) {
      const its = this.#interfaceOf(capture, this.#chunkId);
      if (its) capture.addRun(its, DIRECTION.outbound, this.#chunkUs, bytes, from, until);
      else {
        const receivers = this.#interfaceOf(capture, toId);
        if (receivers) capture.addRun(receivers, DIRECTION.inbound, this.#chunkUs, bytes, from, until);
      }
    }
    if (until === end) return;
    const fates: Fate[] = [{ toId, isDrop: true, what: "dropped", by: Drop.queueFull }];
    for (let at = until; at < end;) {
      const next = at + HEADER_BYTES + lengthAt(bytes, at);
      this.#tell({
        ...{ fromId: this.#chunkId, bytes, at: at + HEADER_BYTES, end: next, timeUs: this.#chunkUs },
        ...{ isLate: false, delivered: 0, fates, isTold: false, before: undefined },
      });
      at = next;
    }
  }

  /** A frame of the switch itself, in the place of a port's. */
  begin(fromId: number, bytes: Uint8Array): void {
    const cause = this.#stack.at(-1);
    if (cause) this.#tell(cause); // a question comes before its answer
    this.#push(fromId, bytes, HEADER_BYTES, bytes.length, this.#clock.timeUs(), false);
  }

  /** A frame that has waited, or was changed. */
  resume({ fromId, bytes, end }: InFlight): void {
    const current = this.#stack.at(-1);
    // While a fault judges it, it is the same frame still.
    if (current?.before) this.#stack.push(current);
    else this.#push(fromId, bytes, HEADER_BYTES, end, this.#clock.timeUs(), true);
  }

  /** Nothing more happens to the frame now. */
  end(): void {
    const frame = this.#stack.pop();
    if (frame && frame !== this.#stack.at(-1)) this.#tell(frame);
  }

  /** A port gets a frame, `bytes[at, end)`. */
  sent(toId: number, bytes: Uint8Array, at: number, end: number): void {
    const frame = this.#stack.at(-1);
    if (!frame) return;
    frame.delivered++;
    for (const capture of this.#captures) {
      if (!this.#interfaceOf(capture, frame.fromId)) {
        this.#record(capture, toId, DIRECTION.inbound, frame.timeUs, bytes, at, end);
      }
    }
  }

  /**
   * A frame is not delivered.
   * @param id the port that counts it: its sender's, or its receiver's
   * @param why {@link PASS}: faults dropped it
   */
  dropped(id: number, why: Verdict, faults?: readonly string[]): void {
    const frame = this.#stack.at(-1);
    if (!frame || why < PASS) return;
    if (why === PASS && (frame.before || !faults)) return; // {@link met} tells it
    const by = why === PASS ? faults! : why;
    this.#add(frame, { toId: id === frame.fromId ? 0 : id, isDrop: true, what: "dropped", by });
  }

  /** A fault is about to judge the frame. */
  meets(pair: Pair): void {
    const frame = this.#stack.at(-1);
    if (!frame) return;
    const counts = pair.shapers.map(({ counts }) => ({ ...counts }));
    frame.before = { delivered: frame.delivered, waiting: waitingIn(pair), drops: dropsOf(frame), counts };
  }

  /** It has. @param passes whether the frame goes on as it is */
  met(pair: Pair, toId: number, passes: boolean): void {
    const frame = this.#stack.at(-1);
    const before = frame?.before;
    if (!frame || !before) return;
    frame.before = undefined;
    if (pair.isCut) return this.#add(frame, { toId, isDrop: true, what: "dropped", by: pair.cutIds });
    const isThere = passes || frame.delivered > before.delivered || waitingIn(pair) > before.waiting;
    const isDropTold = dropsOf(frame) > before.drops;
    pair.shapers.forEach(({ counts }, index) => {
      const is = (what: keyof FaultCounts) => counts[what] > before.counts[index][what];
      const by = [pair.shapeIds[index]];
      for (const what of EFFECTS) if (is(what)) this.#add(frame, { toId, isDrop: false, what, by });
      if (is("lost") && !isThere) this.#add(frame, { toId, isDrop: true, what: "dropped", by });
      if (is("overLimit") && !isThere) this.#add(frame, { toId, isDrop: true, what: "dropped, over the limit", by });
    });
    if (passes || !pair.isHeld) return;
    if (isThere) this.#add(frame, { toId, isDrop: false, what: "held", by: pair.holdIds });
    else if (!isDropTold && dropsOf(frame) === before.drops) {
      this.#add(frame, { toId, isDrop: true, what: "dropped, over the limit", by: pair.holdIds });
    }
  }

  #push(fromId: number, bytes: Uint8Array, at: number, end: number, timeUs: number, isLate: boolean): void {
    const state = { delivered: 0, fates: undefined, isTold: false, before: undefined };
    this.#stack.push({ fromId, bytes, at, end, timeUs, isLate, ...state });
  }

  #add(frame: Current, fate: Fate): void {
    (frame.fates ??= []).push(fate);
  }

  #tell(frame: Current): void {
    if (frame.isTold) return;
    frame.isTold = true;
    const { fromId, bytes, at, end, timeUs, isLate, delivered, fates } = frame;
    if (fates === undefined) { // most of them
      if (isLate) return;
      for (const capture of this.#captures) {
        this.#record(capture, fromId, DIRECTION.outbound, timeUs, bytes, at, end);
      }
      return;
    }
    const drops = fates.filter(({ isDrop }) => isDrop);
    if (isLate && drops.length === 0) return;
    const waits = fates.some(({ what }) => what === "delayed" || what === "held");
    const isDropped = drops.length > 0 && delivered === 0 && !waits;
    for (const capture of this.#captures) {
      if (this.#interfaceOf(capture, fromId)) {
        const comments = fates.map((fate) => this.#comment(capture, fate, isLate));
        this.#record(capture, fromId, DIRECTION.outbound, timeUs, bytes, at, end, comments, isDropped);
        continue;
      }
      for (const toId of new Set(drops.map(({ toId }) => toId))) {
        const comments = drops.filter((fate) => fate.toId === toId).map((fate) => this.#comment(capture, fate, isLate));
        this.#record(capture, toId, DIRECTION.inbound, timeUs, bytes, at, end, comments, true);
      }
    }
  }

  /** `dropped, to b: fault f3a9c (partition)` */
  #comment(capture: Capture, { toId, what, by }: Fate, isLate: boolean): string {
    const name = toId === GATEWAY_ID ? GATEWAY : this.nameOf(toId);
    const to = toId === 0 ? "" : `, to ${name ?? "one that has left"}`;
    const cause = typeof by === "number" ? causeOfVerdict(by) : causeOfFaults(by, capture.kindOf);
    return `${what}${isLate ? " after it waited" : ""}${to}: ${cause}`;
  }

  #interfaceOf(capture: Capture, id: number): ReturnType<Capture["interfaceOf"]> {
    const name = this.nameOf(id);
    return name === undefined ? undefined : capture.interfaceAt(id, name);
  }

  #record(
    capture: Capture,
    id: number,
    direction: Direction,
    timeUs: number,
    bytes: Uint8Array,
    at: number,
    end: number,
    comments?: readonly string[],
    isDropped?: boolean,
  ): void {
    const its = this.#interfaceOf(capture, id);
    if (its) capture.add(its, direction, timeUs, bytes, at, end, comments, isDropped);
  }
}

/** Frames of a pair that wait for their time, or until a hold ends. */
function waitingIn({ shapers, held }: Pair): number {
  return shapers.reduce((sum, { waiting }) => sum + waiting, held.length);
}

function dropsOf({ fates }: Current): number {
  return fates?.filter(({ isDrop }) => isDrop).length ?? 0;
}
