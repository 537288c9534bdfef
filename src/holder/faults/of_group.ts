/** The table of a group's faults, with what it needs of the group. */

import type { RecordWriter } from "../group/record_writer.ts";
import type { Member } from "../member/member.ts";
import type { GroupNetwork } from "../network/group_network.ts";
import type { EventHub } from "../server/events.ts";
import { FaultTable } from "./table.ts";

export type { FaultTable };

interface FaultyGroup {
  network: GroupNetwork;
  roster: ReadonlyMap<string, Member>;
  hub: EventHub;
  record: RecordWriter;
}

export function faultsOfGroup({ network, roster, hub, record }: FaultyGroup): FaultTable {
  const table = new FaultTable({
    network,
    members: () =>
      [...roster.values()].map((member) => ({
        name: member.name,
        hold: (why) => member.pauses.hold(why),
        release: () => member.pauses.release(),
      })),
    onChange: (names) => {
      for (const name of names) {
        const member = roster.get(name);
        if (member) hub.tell({ event: "member", member: member.report() });
      }
      void record.note();
    },
  });
  hub.subscribe(({ event }) => {
    if (event === "member" || event === "gone") table.rosterChanged();
  });
  return table;
}
