/**
 * The conditions of one ordered pair of ports, ready to be applied to frames.
 *
 * They are compiled when they are set. What stays keeps its state: the random numbers of a shape go on where they were, and its
 * frames go on waiting. Cuts and holds count once for the pair, and for each fault when the counts are asked for ({@link
 * Pair.settle}), so many of them cost a frame no more than one.
 */

import { randomStream } from "../../core/random.ts";
import type { FaultCounts, LinkConditions } from "./conditions.ts";
import { Shaper } from "./shaper.ts";

/** A frame on its way, in a copy of its own. */
export interface InFlight {
  readonly timeMs: number;
  readonly fromId: number;
  readonly toId: number;
  /** Whether it only remains to be delivered: the switch has judged it, or made it. */
  readonly isChecked: boolean;
  /** A buffer that begins with it, its length in front. */
  readonly bytes: Uint8Array;
  readonly end: number;
  /** The shapes because of which it waits in the delay line. */
  readonly waits: readonly Shaper[];
}

export class Pair {
  isCut = false;
  isHeld = false;
  shapers: readonly Shaper[] = [];
  /** The faults that cut and that hold it, and that of each shaper. */
  cutIds: readonly string[] = [];
  holdIds: readonly string[] = [];
  shapeIds: readonly string[] = [];
  /** Frames that a hold keeps back, or that have not left since it ended, in order. */
  held: InFlight[] = [];
  #cuts: FaultCounts[] = [];
  #holds: FaultCounts[] = [];
  readonly #byFault = new Map<string, Shaper>();
  /** Frames since they were last added to the counts of the faults. */
  #cut = 0;
  #kept = 0;
  #overLimit = 0;

  constructor(readonly from: string, readonly to: string) {}

  /** Whether frames must wait behind others. */
  get isKeeping(): boolean {
    return this.isHeld || this.held.length > 0;
  }

  /** Whether there is nothing here that concerns a frame. */
  get isIdle(): boolean {
    return !this.isCut && !this.isKeeping && this.shapers.length === 0;
  }

  /** @param countsOf the counts of a fault */
  set({ cuts = [], holds = [], shapes = [] }: LinkConditions, countsOf: (id: string) => FaultCounts): void {
    this.settle();
    this.#cuts = cuts.map(countsOf);
    this.#holds = holds.map(countsOf);
    [this.cutIds, this.holdIds, this.shapeIds] = [cuts, holds, shapes.map(({ id }) => id)];
    this.isCut = cuts.length > 0;
    this.isHeld = holds.length > 0;
    const { from, to } = this;
    this.shapers = shapes.map(({ id, seed, shape }) => {
      const known = this.#byFault.get(id);
      if (known) return known;
      const shaper = new Shaper(shape, randomStream(seed, from, to, id), countsOf(id));
      this.#byFault.set(id, shaper);
      return shaper;
    });
    if (this.#byFault.size === shapes.length) return;
    const left = new Set(shapes.map(({ id }) => id));
    for (const id of [...this.#byFault.keys()]) if (!left.has(id)) this.#byFault.delete(id);
  }

  countCut(frames = 1): void {
    this.#cut += frames;
  }

  /** A frame that is held, or was one too many. */
  countHeld(isKept: boolean): void {
    if (isKept) this.#kept++;
    else this.#overLimit++;
  }

  /** Adds what was counted here to the counts of the faults. */
  settle(): void {
    for (const counts of this.#cuts) {
      counts.frames += this.#cut;
      counts.cut += this.#cut;
    }
    for (const counts of this.#holds) {
      counts.frames += this.#kept + this.#overLimit;
      counts.held += this.#kept;
      counts.overLimit += this.#overLimit;
    }
    this.#cut = this.#kept = this.#overLimit = 0;
  }
}
