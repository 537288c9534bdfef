/** What is wrong with the links between ports, as the switch is told, and what faults have done. */

import type { LinkShape } from "../../core/faults.ts";

export type { LinkShape as Shape };

/** What is wrong with an ordered pair of ports. Absent fields: nothing. */
export interface LinkConditions {
  /** The faults that cut it: every frame is dropped. */
  cuts?: readonly string[];
  /** The faults that hold it: frames wait, and are delivered in order when none of these is left. */
  holds?: readonly string[];
  /** Shapes, one after the other, in this order. */
  shapes?: readonly { id: string; seed: number; shape: LinkShape }[];
}

/** What a fault has done so far, in frames. */
export interface FaultCounts {
  /** That met it. */
  frames: number;
  cut: number;
  held: number;
  lost: number;
  delayed: number;
  duplicated: number;
  reordered: number;
  corrupted: number;
  /** Dropped, because as many waited as may. */
  overLimit: number;
}

/** Counts of a fault that has done nothing. */
export const NO_COUNTS: Readonly<FaultCounts> = {
  frames: 0,
  cut: 0,
  held: 0,
  lost: 0,
  delayed: 0,
  duplicated: 0,
  reordered: 0,
  corrupted: 0,
  overLimit: 0,
};
