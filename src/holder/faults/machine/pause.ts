/** The virtual CPUs of a machine stand still as long as any fault wants that. */

import type { PauseFault } from "../../../core/faults/machines.ts";
import type { Pauses } from "../../member/pauses.ts";
import type { FaultMaker, MachineFaultEntry } from "./maker.ts";

export class PauseMaker implements FaultMaker<PauseFault> {
  constructor(private readonly pauses: Pick<Pauses, "hold" | "release" | "releaseAdopted">) {}

  async apply([first]: readonly MachineFaultEntry<PauseFault>[], isAdopted = false): Promise<void> {
    if (first) await this.pauses.hold(`by the fault ${first.id}`);
    else if (isAdopted) await this.pauses.releaseAdopted();
    else await this.pauses.release();
  }
}
