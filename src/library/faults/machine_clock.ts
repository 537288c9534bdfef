/** The clock of a machine in a test. */

import { readClock } from "../../control/faults.ts";
import type { ClockFault } from "../../core/faults/clock.ts";
import type { Store } from "../../store.ts";
import { checked } from "../check.ts";
import type * as types from "../types.ts";
import type { GroupFaults } from "./group_faults.ts";

interface Clocked {
  store: Store;
  storeName: string;
  /** For errors. */
  name: string;
  faults(): GroupFaults;
}

export class VmClock implements types.MachineClock {
  constructor(private readonly machine: Clocked) {}

  async bump(ms: number, options?: types.FaultOptions): Promise<types.Fault> {
    return await this.#begin({ bumpMs: ms }, checked("fault", this.#call("bump"), options));
  }

  async rate(rate: number, options?: types.FaultOptions): Promise<types.Fault> {
    return await this.#begin({ rate }, checked("fault", this.#call("rate"), options));
  }

  async strobe(options: types.StrobeOptions): Promise<types.Fault> {
    const { byMs, periodMs, ...times } = checked("strobe", this.#call("strobe"), options);
    return await this.#begin({ strobeMs: byMs, ...(periodMs === undefined ? {} : { periodMs }) }, times);
  }

  async offset(): Promise<types.ClockOffset> {
    const { store, storeName } = this.machine;
    const { offset_ms: offsetMs, error_ms: errorMs } = await readClock(store, storeName);
    return { offsetMs, errorMs };
  }

  #begin(change: Omit<ClockFault, "kind" | "member">, times: types.FaultOptions): Promise<types.Fault> {
    const { storeName, faults } = this.machine;
    return faults().ofMachine(storeName, { kind: "clock", ...change }, times);
  }

  #call(call: string): string {
    return `clock.${call}() on "${this.machine.name}"`;
  }
}
