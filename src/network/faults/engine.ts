/**
 * The faults of a network: judges frames of pairs with conditions, and keeps those that wait.
 *
 * The switch asks it only about frames of a pair in {@link FaultEngine.rows}. A frame meets the cuts first, then the shapes;
 * what is delivered, now or at its time, meets the cuts of that time, and the holds. The rules of the switch, such as who may use the
 * gateway, are applied when a frame is delivered, by the switch.
 */

import { Drop, PASS, type Verdict } from "../counters.ts";
import { HEADER_BYTES, MIN_FRAME } from "../frame.ts";
import { FrameBuffers } from "./buffers.ts";
import { judgeFrame } from "./chain.ts";
import { type FaultCounts, type LinkConditions, NO_COUNTS } from "./conditions.ts";
import { DelayLine } from "./delay_line.ts";
import type { InFlight, Pair } from "./pair.ts";
import { Pairs, type Row } from "./pairs.ts";
import { DEFAULT_LIMIT, INTACT } from "./shaper.ts";

/** The switch, as the engine needs it. */
export interface Exit {
  /** Delivers a frame, or drops it by the switch's rules; its bytes are not used afterwards. */
  deliver(frame: InFlight): void;
  /** Whether a port takes so many bytes now. If not, {@link FaultEngine.hasRoom} is called when it does. */
  awaitRoom(toId: number, bytes: number): boolean;
  /** Writes what was delivered. */
  flush(): void;
  /** Counts a frame that has waited and is dropped; PASS: `faults` did it, and count it. */
  drop(frame: InFlight, why: Verdict, faults?: readonly string[]): void;
}

/** Frames that a hold keeps back for a pair. */
const HOLD_LIMIT = DEFAULT_LIMIT;

export class FaultEngine {
  readonly #exit: Exit;
  readonly #pairs = new Pairs();
  readonly #counts = new Map<string, FaultCounts>();
  readonly #buffers = new FrameBuffers();
  readonly #line: DelayLine<InFlight>;
  /** Pairs whose hold has ended, and whose frames have not all left. */
  readonly #releasing = new Set<Pair>();
  #isPaused = false;

  constructor(exit: Exit) {
    this.#exit = exit;
    this.#line = new DelayLine((frame) => {
      for (const shaper of frame.waits) shaper.waiting--;
      this.#leave(frame);
    }, () => exit.flush());
  }

  /** By the sender's id, then the receiver's; undefined: nothing is wrong there. */
  get rows(): readonly (Row | undefined)[] {
    return this.#pairs.rows;
  }

  setConditions(from: string, to: string, conditions: LinkConditions | undefined, nowMs: number): void {
    const pair = conditions ? this.#pairs.require(from, to) : this.#pairs.get(from, to);
    if (!pair) return;
    pair.set(conditions ?? {}, (id) => this.#countsOf(id));
    if (!pair.isHeld && pair.held.length > 0) {
      this.#release(pair);
      this.#exit.flush();
      this.#line.arm(nowMs);
    }
    if (pair.isIdle) this.#pairs.delete(pair);
  }

  /** Whether every frame of this pair is dropped. `counts`: it counts as one that was. */
  isCut(from: string, to: string, counts: boolean): boolean {
    const pair = this.#pairs.get(from, to);
    if (!pair?.isCut) return false;
    if (counts) pair.countCut();
    return true;
  }

  counts(): ReadonlyMap<string, FaultCounts> {
    for (const pair of this.#pairs) pair.settle();
    return this.#counts;
  }

  forget(id: string): void {
    this.#counts.delete(id);
  }

  /**
   * Judges a frame of a pair, `[from, end)` with its length in front. True: it is to be delivered now, as it is. False: it was
   * dropped, or waits, or was delivered in another form.
   */
  judge(
    pair: Pair,
    fromId: number,
    toId: number,
    bytes: Uint8Array,
    from: number,
    end: number,
    nowMs: number,
    isChecked: boolean,
  ): boolean {
    if (pair.isCut) {
      pair.countCut();
      return false;
    }
    const isKeeping = pair.isKeeping;
    if (pair.shapers.length === 0 && !isKeeping) return true;
    const length = end - from - HEADER_BYTES;
    const payloadBits = Math.max(0, length - MIN_FRAME) * 8;
    if (pair.shapers.length === 1) {
      // As below, without an object for each copy: this is the common case.
      const shaper = pair.shapers[0];
      const copies = shaper.judge(nowMs, length, payloadBits);
      for (let index = 0; index < copies; index++) {
        const timeMs = shaper.times[index];
        const flip = shaper.flips[index];
        const isNow = timeMs <= nowMs;
        if (isNow && !isKeeping && flip === INTACT && copies === 1) return true;
        const copy = this.#buffers.copyOf(bytes, from, end);
        if (flip !== INTACT) invert(copy, flip);
        this.#start({ timeMs, fromId, toId, isChecked, bytes: copy, end: end - from, waits: pair.shapers }, isNow);
      }
      return false;
    }
    const copies = judgeFrame(pair.shapers, nowMs, length, payloadBits);
    for (const { timeMs, flips, waits } of copies) {
      const isNow = timeMs <= nowMs;
      if (isNow && !isKeeping && flips.length === 0 && copies.length === 1) return true;
      const copy = this.#buffers.copyOf(bytes, from, end);
      for (const bit of flips) invert(copy, bit);
      this.#start({ timeMs, fromId, toId, isChecked, bytes: copy, end: end - from, waits }, isNow);
    }
    return false;
  }

  /** After the frames of a chunk: what is due leaves, and the timer is set for the rest. */
  afterChunk(nowMs: number): void {
    if (this.#line.size === 0) return;
    this.#line.run(nowMs);
    this.#line.arm(nowMs);
  }

  /** A port that had no room has some. */
  hasRoom(nowMs: number): void {
    for (const pair of [...this.#releasing]) this.#release(pair);
    this.#exit.flush();
    this.#line.arm(nowMs);
  }

  /** Nothing is delivered until {@link resume}. */
  pause(): void {
    this.#isPaused = true;
    this.#line.pause();
  }

  resume(nowMs: number): void {
    this.#isPaused = false;
    this.hasRoom(nowMs);
    this.#line.resume(nowMs);
  }

  /** A port with this name and id is there, connected or not. */
  added(name: string, id: number): void {
    this.#pairs.name(name, id);
  }

  /** A port is not there any more: what comes from it and goes to it is dropped. */
  removed(name: string, id: number): void {
    this.#dropWhere(({ fromId, toId }) => fromId === id || toId === id);
    this.#pairs.unname(name);
  }

  /** A port's connection has ended: what is on its way to it is dropped. */
  disconnected(id: number): void {
    this.#dropWhere(({ toId }) => toId === id);
  }

  /** Drops everything. */
  close(): void {
    this.#dropWhere(() => true);
  }

  #countsOf(id: string): FaultCounts {
    let counts = this.#counts.get(id);
    if (!counts) this.#counts.set(id, counts = { ...NO_COUNTS });
    return counts;
  }

  #start(frame: InFlight, isNow: boolean): void {
    if (isNow) return this.#leave(frame);
    for (const shaper of frame.waits) shaper.waiting++;
    this.#line.add(frame);
  }

  /** A frame's time has come. */
  #leave(frame: InFlight): void {
    const pair = this.#pairs.rows[frame.fromId]?.[frame.toId];
    if (pair?.isCut) this.#cut(pair, frame);
    else if (pair?.isKeeping) this.#keep(pair, frame);
    else this.#deliver(frame);
  }

  /** A fault that began while it waited drops it. */
  #cut(pair: Pair, frame: InFlight): void {
    pair.countCut();
    this.#exit.drop(frame, PASS, pair.cutIds);
    this.#buffers.giveBack(frame.bytes);
  }

  #keep(pair: Pair, frame: InFlight): void {
    const isKept = pair.held.length < HOLD_LIMIT;
    if (pair.isHeld) pair.countHeld(isKept);
    if (!isKept) this.#exit.drop(frame, pair.isHeld ? PASS : Drop.queueFull, pair.holdIds);
    if (isKept) pair.held.push(frame);
    else this.#buffers.giveBack(frame.bytes);
  }

  /** Delivers what a hold has kept back, as far as the port takes it. */
  #release(pair: Pair): void {
    if (pair.isHeld) {
      this.#releasing.delete(pair); // it is held again: the rest waits with what comes
      return;
    }
    this.#releasing.add(pair);
    if (this.#isPaused) return;
    const { held } = pair;
    let count = 0;
    for (; count < held.length; count++) {
      const frame = held[count];
      if (pair.isCut) this.#cut(pair, frame);
      else if (this.#exit.awaitRoom(frame.toId, frame.end)) this.#deliver(frame);
      else break;
    }
    pair.held = held.slice(count);
    if (pair.held.length > 0) return;
    this.#releasing.delete(pair);
    if (pair.isIdle) this.#pairs.delete(pair);
  }

  #deliver(frame: InFlight): void {
    this.#exit.deliver(frame);
    this.#buffers.giveBack(frame.bytes);
  }

  #dropWhere(isGone: (frame: InFlight) => boolean): void {
    const drop = (frame: InFlight) => {
      this.#exit.drop(frame, Drop.unreachable);
      this.#buffers.giveBack(frame.bytes);
    };
    this.#line.remove(isGone, (frame) => {
      for (const shaper of frame.waits) shaper.waiting--;
      drop(frame);
    });
    for (const pair of [...this.#pairs]) {
      if (pair.held.length === 0) continue;
      pair.held.filter(isGone).forEach(drop);
      pair.held = pair.held.filter((frame) => !isGone(frame));
      if (pair.held.length === 0) this.#releasing.delete(pair);
      if (pair.isIdle) this.#pairs.delete(pair);
    }
  }
}

/** Flips a bit of a frame's payload. */
function invert(bytes: Uint8Array, bit: number): void {
  bytes[HEADER_BYTES + MIN_FRAME + (bit >> 3)] ^= 1 << (bit & 7);
}
