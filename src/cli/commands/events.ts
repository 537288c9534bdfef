/** `fleetbox events`: what happens in the store, as it happens. */

import { followStore } from "../../control/live/follow_store.ts";
import { observeGroups, orphanGroup } from "../../control/observe.ts";
import { unlessAborted } from "../../core/deadline.ts";
import { FleetboxError } from "../../core/errors.ts";
import { checkName } from "../../core/names.ts";
import type { Store } from "../../store.ts";
import { Command } from "../arguments/parser.ts";
import { openStore } from "../arguments/open_store.ts";
import { requireMember } from "../arguments/store_access.ts";
import { eventLine } from "../live/event_lines.ts";
import { Interrupt } from "../terminal/interrupt.ts";
import { outputClosed, sayInTurn } from "../terminal/output.ts";

export function eventsCommand(): Command {
  return new Command("events")
    .description("print what happens: members' states, faults, checkpoints, ports, groups")
    .option("--via <name>", "only the group of this member, until it ends")
    .option("--json", "one JSON object per event")
    .addHelpText(
      "after",
      `
First what is there, then every change, also of groups that begin later, until Ctrl-C. A holder that is killed and the
one that adopts its group are told, too. A reader that is too slow makes nothing wait: it misses events, and is told
that (missed), and what is so by then.

--json: each has {"event","at","group","group_id"}, and
  group: "what" (present, began, orphaned, adopted, missed, ended), "members",
    "holder"
  state: "name", "state" (downloading, starting, running, stopped, error, gone),
    "stage"?, "ip"?, "since"?, "reason"?, "hint"?
  forward: "what" (added, open, closed, removed), "name", "host_port",
    "guest_port", "protocol"?, "address"?, "problem"?
  fault-began, fault-ended: "id", "kind", "what", "members", "counts"?
  saved: "what" (checkpoint, suspend), "since", "name"?, "members", "paused_ms"?
  notice: "message"

Examples:
  fleetbox events
  fleetbox events --via a --json | jq -c 'select(.event == "state")'`,
    )
    .action(async (flags: { via?: string; json?: boolean }) => {
      const store = openStore();
      const groupId = flags.via === undefined ? undefined : await groupOf(store, checkName(flags.via));
      using interrupt = new Interrupt(() => undefined);
      const unread = new AbortController();
      const following = followStore(store, {
        groupId,
        signal: AbortSignal.any([interrupt.signal, unread.signal]),
        onEvent: async (event) => {
          await sayInTurn(flags.json ? JSON.stringify(event) : eventLine(event));
          if (outputClosed()) unread.abort();
        },
      });
      // A write that nobody reads does not end.
      await unlessAborted(following, interrupt.signal);
    });
}

/** The id of the group that a member is on. @throws {FleetboxError} `not-found`; `conflict`: it is on none */
async function groupOf(store: Store, name: string): Promise<string> {
  const { report, silence } = await requireMember(store, name);
  const groups = observeGroups(store);
  const id = report?.group_id ?? orphanGroup(groups, name)?.id ??
    groups.find(({ holderAlive, served }) => silence && holderAlive && served.includes(name))?.id;
  if (id !== undefined) return id;
  throw new FleetboxError("conflict", `"${name}" is on no group's network: it does not run`, {
    hint: `Start it first: fleetbox up ${name}`,
  });
}
