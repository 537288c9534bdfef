/** The faults of a group. What makes them is loaded with the first one: most groups never have any. */

import { FleetboxError } from "../../core/errors.ts";
import type { FaultWish, MachineFaultKind } from "../../core/faults.ts";
import type { GroupRecord, StoredFault } from "../../store/records.ts";
import type { FaultReport } from "../../wire.ts";
import type { RecordWriter } from "../group/record_writer.ts";
import type { Member } from "../member/member.ts";
import type { GroupNetwork } from "../network/group_network.ts";
import type { EventHub } from "../server/events.ts";
import type { FaultTable } from "./table.ts";

export class GroupFaults {
  #table: FaultTable | undefined;
  #isClosed = false;

  constructor(
    private readonly network: GroupNetwork,
    private readonly roster: ReadonlyMap<string, Member>,
    private readonly hub: EventHub,
    private readonly record: RecordWriter,
  ) {}

  /** See {@link FaultTable.begin}. What is told is in the group's record: else a holder that is killed now would leave it for good. */
  async begin(wish: FaultWish): Promise<FaultReport> {
    const report = await (await this.#load()).begin(wish);
    await this.record.written();
    return report;
  }

  /** Goes on with an earlier holder's, before its machines are adopted. */
  async adopt(record: Pick<GroupRecord, "faults">): Promise<void> {
    if (record.faults !== undefined) (await this.#load()).adopt(record);
  }

  /** See {@link FaultTable.settle}. */
  async settle(name: string): Promise<void> {
    await this.#table?.settle(name);
  }

  /** See {@link FaultTable.heal}. Nor does what has ended come back with the next holder. */
  async heal(ids?: readonly string[]): Promise<FaultReport[]> {
    if (!this.#table && !ids?.length) return [];
    const reports = await (await this.#load()).heal(ids);
    await this.record.written();
    return reports;
  }

  /** See {@link FaultTable.lost}. */
  async lost(name: string, kinds: readonly MachineFaultKind[], why: string): Promise<void> {
    await this.#table?.lost(name, kinds, why);
  }

  isPaused(name: string): boolean {
    return this.#table?.isPaused(name) ?? false;
  }

  /** The faults of a member's machine: what is saved of it must be free of them. */
  onMachine(name: string): ReturnType<FaultTable["onMachine"]> {
    return this.#table?.onMachine(name) ?? [];
  }

  async reports(): Promise<FaultReport[]> {
    return await this.#table?.reports() ?? [];
  }

  of(name: string): ReturnType<FaultTable["of"]> {
    return this.#table?.of(name) ?? { first: [], count: 0 };
  }

  stored(): StoredFault[] {
    return this.#table?.stored() ?? [];
  }

  /** The group has ended. */
  close(): void {
    this.#isClosed = true;
    this.#table?.close();
  }

  async #load(): Promise<FaultTable> {
    const { network, roster, hub, record } = this;
    await network.readyForFaults();
    const [{ FaultTable }, { MachineFaults }] = await Promise.all([
      import("./table.ts"),
      import("./machine/of_member.ts"),
    ]);
    if (this.#isClosed) throw new FleetboxError("conflict", "The group has ended");
    if (this.#table) return this.#table;
    const table = new FaultTable({
      network,
      members: () => [...roster.values()].map((member) => MachineFaults.of(member)),
      onChange: (names) => {
        for (const name of names) {
          const member = roster.get(name);
          if (member) hub.tell({ event: "member", member: member.report() });
        }
        void record.note();
      },
      note: () => record.note(),
      onFault: (event) => hub.tell(event),
    });
    hub.subscribe(({ event }) => {
      if (event === "member" || event === "gone") table.rosterChanged();
    });
    return this.#table = table;
  }
}
