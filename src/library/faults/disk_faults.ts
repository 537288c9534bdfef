/** Faults of the disk of a machine in a test. */

import type { DiskFault } from "../../core/faults/disk.ts";
import type { FillFault } from "../../core/faults/fill.ts";
import { checked } from "../check.ts";
import type * as types from "../types.ts";

/** Begins a fault of the machine's disk. */
type Begin = (what: Omit<DiskFault, "kind" | "member">, times: types.FaultOptions) => Promise<types.Fault>;

/** Begins a fault of a file system on it. */
type BeginFill = (what: Omit<FillFault, "kind" | "member">, times: types.FaultOptions) => Promise<types.Fault>;

export class MachineDisk implements types.DiskFaults {
  constructor(private readonly name: string, private readonly begin: Begin, private readonly beginFill: BeginFill) {}

  async fail(options?: types.DiskFailOptions): Promise<types.Fault> {
    const { forMs, seed, on, sectors, ...what } = checked("failDisk", `disk.fail() on "${this.name}"`, options);
    return await this.begin({
      error: "EIO",
      ...what,
      ...(on ? { on: [...on] } : {}),
      ...(sectors ? { sectors: [sectors[0], sectors[1]] } : {}),
    }, { forMs, seed });
  }

  async fill(options: types.DiskFillOptions): Promise<types.Fault> {
    const { share, path, ...times } = checked("fillDisk", `disk.fill() on "${this.name}"`, options);
    return await this.beginFill({ share, ...(path === undefined ? {} : { path }) }, times);
  }

  async slow(options: types.DiskSlowOptions): Promise<types.Fault> {
    const { forMs, seed, on, ...what } = checked("slowDisk", `disk.slow() on "${this.name}"`, options);
    return await this.begin({ ...what, ...(on ? { on: [...on] } : {}) }, { forMs, seed });
  }
}
