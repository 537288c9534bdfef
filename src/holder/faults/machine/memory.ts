/** The faults that take memory away from a guest: the one that leaves least holds. */

import { FleetboxError } from "../../../core/errors.ts";
import type { MemoryFault } from "../../../core/faults/memory.ts";
import { readMemory, squeeze } from "../../../guest/faults/memory.ts";
import type { Member } from "../../member/member.ts";
import { isHeldStill, lineFor } from "./in_guest.ts";
import type { FaultMaker, MachineFaultEntry } from "./maker.ts";

export class MemoryMaker implements FaultMaker<MemoryFault> {
  #count = 0;
  #takenMiB = 0;

  constructor(private readonly member: Member) {}

  async apply(faults: readonly MachineFaultEntry<MemoryFault>[], isAdopted = false): Promise<void> {
    if (isHeldStill(this.member, isAdopted)) return;
    const line = lineFor(this.member, faults, "take memory");
    if (!line) return;
    const least = faults.length === 0 ? undefined : Math.min(...faults.map(({ spec }) => spec.availableMiB));
    const isNew = !isAdopted && faults.length > this.#count;
    const { name, context } = this.member;
    line.hold("memory", (why) => void context.faults().lost(name, ["memory"], why));
    try {
      await line.talk(async (guest) => {
        if (isNew && least !== undefined) {
          const { availableMiB } = await readMemory(guest);
          const asked = faults.at(-1)!.spec.availableMiB;
          if (availableMiB <= asked) throw tooLittle(asked, availableMiB);
        }
        this.#takenMiB = (await squeeze(guest, least)).takenMiB;
      });
      this.#count = faults.length;
    } finally {
      if (this.#count === 0 || faults.length === 0) line.release("memory");
    }
  }

  forget(): void {
    this.#count = this.#takenMiB = 0;
  }

  counts(): Promise<Record<string, number>> {
    return Promise.resolve<Record<string, number>>(this.#count === 0 ? {} : { taken_mib: Math.round(this.#takenMiB) });
  }
}

function tooLittle(asked: number, availableMiB: number): FleetboxError {
  return new FleetboxError(
    "conflict",
    `Cannot leave ${asked} MiB of memory: the guest has only ${Math.floor(availableMiB)} MiB available already`,
    { hint: "Leave less: fleetbox fault memory a --available 16M" },
  );
}
