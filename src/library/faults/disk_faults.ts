/** Faults of the disk of a machine in a test. */

import type { MachineFaultWish } from "../../core/faults/machines.ts";
import { checked } from "../check.ts";
import type * as types from "../types.ts";

/** Begins a fault of the machine. */
type Begin = (wish: MachineFaultWish, times: types.FaultOptions) => Promise<types.Fault>;

export class MachineDisk implements types.DiskFaults {
  constructor(private readonly name: string, private readonly begin: Begin) {}

  async fail(options?: types.DiskFailOptions): Promise<types.Fault> {
    const { forMs, seed, on, sectors, ...what } = checked("failDisk", `disk.fail() on "${this.name}"`, options);
    return await this.begin({
      kind: "disk",
      error: "EIO",
      ...what,
      ...(on ? { on: [...on] } : {}),
      ...(sectors ? { sectors: [sectors[0], sectors[1]] } : {}),
    }, { forMs, seed });
  }

  async fill(options: types.DiskFillOptions): Promise<types.Fault> {
    const { share, path, ...times } = checked("fillDisk", `disk.fill() on "${this.name}"`, options);
    return await this.begin({ kind: "fill", share, ...(path === undefined ? {} : { path }) }, times);
  }

  async slow(options: types.DiskSlowOptions): Promise<types.Fault> {
    const { forMs, seed, on, ...what } = checked("slowDisk", `disk.slow() on "${this.name}"`, options);
    return await this.begin({ kind: "disk", ...what, ...(on ? { on: [...on] } : {}) }, { forMs, seed });
  }
}
