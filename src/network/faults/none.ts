/** A network without faults: what a switch asks until there can be some. Imports types alone. */

import type { FaultEngine } from "./engine.ts";

/** What a switch asks of its faults. */
export type Faults = Pick<FaultEngine, keyof FaultEngine>;

export const NO_FAULTS: Faults = {
  rows: [],
  setConditions() {
    throw new Error("the switch was not told to use faults");
  },
  isCut: () => false,
  counts: () => new Map(),
  forget() {},
  judge: () => true,
  afterChunk() {},
  hasRoom() {},
  added() {},
  removed() {},
  disconnected() {},
  pause() {},
  resume() {},
  close() {},
};
