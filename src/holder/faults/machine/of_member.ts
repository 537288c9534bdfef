/** The faults of one member's machine: what makes each kind is loaded with the first one of it. */

import type { MachineFaultKind } from "../../../core/faults.ts";
import type { Member } from "../../member/member.ts";
import type { FaultMaker, FaultyMember, MachineFaultEntry } from "./maker.ts";

const MAKERS: { [Kind in MachineFaultKind]: (member: Member) => Promise<FaultMaker> } = {
  pause: async (member) => new (await import("./pause.ts")).PauseMaker(member.pauses),
  cpu: async (member) => new (await import("./cpu.ts")).CpuMaker(member),
  fill: async (member) => new (await import("./fill.ts")).FillMaker(member),
  memory: async (member) => new (await import("./memory.ts")).MemoryMaker(member),
  clock: async (member) => new (await import("./clock.ts")).ClockMaker(member),
  disk: async (member) => new (await import("./disk.ts")).DiskMaker(member),
};

/** By member; what has left its group is forgotten. */
const all = new WeakMap<Member, MachineFaults>();

export class MachineFaults implements FaultyMember {
  readonly #makers = new Map<MachineFaultKind, FaultMaker>();

  private constructor(private readonly member: Member) {}

  static of(member: Member): MachineFaults {
    let faults = all.get(member);
    if (!faults) all.set(member, faults = new MachineFaults(member));
    return faults;
  }

  get name(): string {
    return this.member.name;
  }

  get hasMachine(): boolean {
    return this.member.process !== undefined;
  }

  get standsStill(): boolean {
    return this.member.phases.now.kind === "paused";
  }

  async apply(kind: MachineFaultKind, faults: readonly MachineFaultEntry[], isAdopted = false): Promise<void> {
    let maker = this.#makers.get(kind);
    if (!maker) this.#makers.set(kind, maker = await MAKERS[kind](this.member));
    await maker.apply(faults, isAdopted);
  }

  forget(kind: MachineFaultKind): void {
    this.#makers.get(kind)?.forget?.();
    this.#makers.delete(kind);
  }

  async counts(kind: MachineFaultKind, id: string): Promise<Record<string, number>> {
    return await this.#makers.get(kind)?.counts?.(id) ?? {};
  }
}
