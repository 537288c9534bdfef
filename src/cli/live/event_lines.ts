/** The events of the store as lines for people. Pure. */

import type { GroupEvent, StateEvent, StoreEvent } from "../../control/live/store_events.ts";
import { endText } from "../../core/port_forwards.ts";
import { printable } from "../../core/printable.ts";

/** `19:40:01 a: running (10.88.0.11)`; what a guest or a file said cannot steer the terminal. */
export function eventLine(event: StoreEvent): string {
  const time = new Date(event.at).toTimeString().slice(0, 8);
  return printable(`${time} ${textOf(event)}`).trim().replace(/\s*\n\s*/g, "; ");
}

function textOf(event: StoreEvent): string {
  switch (event.event) {
    case "group":
      return `group ${event.group}: ${groupText(event)}`;
    case "state":
      return `${event.name}: ${stateText(event)}`;
    case "forward": {
      const { name, guest_port: to, problem } = event;
      const state = { added: "added, not open", open: "open", closed: "closed", removed: "removed" }[event.what];
      return `${name}: port forward ${endText(event)} to port ${to}: ${state}${problem ? ` (${problem})` : ""}`;
    }
    case "fault-began":
      return `fault ${event.id} of group ${event.group} began: ${event.what}`;
    case "fault-ended":
      return `fault ${event.id} of group ${event.group} ended: ${event.what}`;
    case "saved": {
      const { what, name, members, paused_ms: ms } = event;
      if (what === "suspend") return `suspended: ${members.join(", ")}`;
      return `checkpoint ${name}: ${members.join(", ")}${ms === undefined ? "" : `, paused for ${ms} ms`}`;
    }
    case "notice":
      return `group ${event.group}: ${event.message}`;
  }
}

function groupText({ what, members, holder }: GroupEvent): string {
  switch (what) {
    case "present":
      return `is there: ${members.join(", ")} (holder: process ${holder})`;
    case "began":
      return `began: ${members.join(", ")} (holder: process ${holder})`;
    case "orphaned":
      return `orphaned: its holder, process ${holder}, is gone, its machines run`;
    case "adopted":
      return `adopted: process ${holder} is its holder`;
    case "missed":
      return "some events were missed: they were read too slowly";
    case "ended":
      return "ended";
  }
}

function stateText({ state, stage, ip, reason, hint }: StateEvent): string {
  const detail = stage ?? (state === "running" ? ip : undefined);
  return `${state}${detail ? ` (${detail})` : ""}${reason ? `: ${reason}` : ""}${hint ? `; try: ${hint}` : ""}`;
}
