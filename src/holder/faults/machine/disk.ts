/** The disk of a machine fails or is slow. Its counts are the guest's requests since the fault began, or since this holder adopted it. */

import { FleetboxError } from "../../../core/errors.ts";
import { type DiskFault, operationsOf } from "../../../core/faults/disk.ts";
import type { DiskCounts, Machine } from "../../../vmm/contract.ts";
import { isBeingAdopted, type Phase, runOf } from "../../member/phases.ts";
import type { FaultMaker, MachineFaultEntry } from "./maker.ts";

/** What it needs of a member. */
interface DiskMember {
  readonly name: string;
  readonly state: string;
  readonly phases: { readonly now: Phase };
  /** Disks are moved one after the other. */
  readonly context: { inTurn(work: () => Promise<void>): Promise<void> };
}

type Entry = MachineFaultEntry<DiskFault>;

export class DiskMaker implements FaultMaker<DiskFault> {
  /** By fault: the counts at its beginning. */
  readonly #began = new Map<string, { spec: DiskFault; counts: DiskCounts }>();

  constructor(private readonly member: DiskMember) {}

  async apply(faults: readonly Entry[]): Promise<void> {
    await this.member.context.inTurn(() => this.#apply(faults));
  }

  async #apply(faults: readonly Entry[]): Promise<void> {
    const machine = this.#machine(faults);
    if (!machine) return;
    const began = faults.filter(({ id }) => !this.#began.has(id));
    const counts = began.length > 0 ? await machine.diskCounts() : undefined;
    await machine.setDiskFaults(
      faults.map(({ id, seed, spec: { kind: _, member: __, ...what } }) => ({ ...what, id, seed })),
    );
    for (const id of this.#began.keys()) if (!faults.some((fault) => fault.id === id)) this.#began.delete(id);
    for (const { id, spec } of began) this.#began.set(id, { spec, counts: counts! });
  }

  async counts(id: string): Promise<Record<string, number>> {
    const [began, run] = [this.#began.get(id), runOf(this.member.phases.now)];
    if (!began || !run) return {};
    const now = await run.machine.diskCounts();
    const sum = (key: "requests" | "failed") =>
      operationsOf(began.spec).reduce((all, one) => all + now[one][key] - began.counts[one][key], 0);
    const requests = sum("requests");
    return began.spec.error === undefined ? { requests, slowed: requests } : { requests, failed: sum("failed") };
  }

  /** @throws {FleetboxError} `conflict`: it does not run, and is to be under faults */
  #machine([first]: readonly Entry[]): Machine | undefined {
    const { name, state, phases: { now } } = this.member;
    const canBe = (now.kind === "running" || now.kind === "paused") && !isBeingAdopted(now);
    if (canBe) return now.run.machine;
    if (!first) return undefined; // its disk goes with its machine
    throw new FleetboxError("conflict", `Cannot change the disk of "${name}": it is ${state}, expected running`, {
      hint: `Start it first: fleetbox up ${name}`,
    });
  }
}
