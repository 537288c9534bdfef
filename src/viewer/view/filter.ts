/** What of a trace is shown: the range, the search, the members, the kinds. */

import type { Packets } from "../data/packets.ts";
import { type ConsoleLine, firstFrom, type Trace, type TraceEvent } from "../data/model.ts";

export type Range = readonly [from: number, to: number];

export interface Filter {
  range: Range | undefined;
  /** In small letters. */
  query: string;
  /** Members that are not shown. */
  hidden: ReadonlySet<string>;
}

/** The kinds of events, as the list offers them. */
export const KINDS = {
  states: ["state"],
  commands: ["command", "command-began"],
  faults: ["fault-began", "fault-ended"],
  moments: ["mark", "checkpoint", "fork", "restore", "suspend", "test-began", "test-ended"],
  clocks: ["clock"],
  links: ["link"],
} as const;
export type KindName = keyof typeof KINDS | "others";
export const KIND_NAMES = [...Object.keys(KINDS), "others"] as KindName[];

const NAME_OF = new Map<string, KindName>(
  Object.entries(KINDS).flatMap(([name, kinds]) => kinds.map((kind) => [kind, name as KindName])),
);
export const kindName = (kind: string): KindName => NAME_OF.get(kind) ?? "others";

const searched = new WeakMap<TraceEvent, string>();

function searchText(event: TraceEvent): string {
  let text = searched.get(event);
  if (text === undefined) {
    const values = Object.values(event.raw).map((value) => typeof value === "object" ? JSON.stringify(value) : value);
    text = [event.text, ...values].join(" ").toLowerCase();
    searched.set(event, text);
  }
  return text;
}

/** Events: those that last are in a range when they overlap it. */
export function shownEvents(
  trace: Trace,
  { range, query, hidden }: Filter,
  kinds: ReadonlySet<KindName>,
): TraceEvent[] {
  return trace.events.filter((event) => {
    if (!kinds.has(kindName(event.kind))) return false;
    if (range && (event.at > range[1] || (event.until ?? event.at) < range[0])) return false;
    if (hidden.size > 0 && event.members.length > 0 && event.members.every((name) => hidden.has(name))) return false;
    return query === "" || searchText(event).includes(query);
  });
}

/** The places of packets. */
export function shownPackets(packets: Packets, { range, query, hidden }: Filter): Uint32Array {
  const { times, count, names, from, to } = packets;
  const low = range ? firstFrom(count, (index) => times[index], range[0]) : 0;
  const high = range ? firstFrom(count, (index) => times[index], range[1] + 0.001) : count;
  const isHidden = names.map((name) => hidden.has(name));
  const shown = new Uint32Array(high - low);
  let length = 0;
  for (let index = low; index < high; index++) {
    if (hidden.size > 0 && (isHidden[from[index]] || isHidden[to[index]])) continue;
    if (query !== "" && !packets.searchText(index).includes(query)) continue;
    shown[length++] = index;
  }
  return shown.subarray(0, length);
}

export function shownLines(lines: readonly ConsoleLine[], { range, query, hidden }: Filter): ConsoleLine[] {
  const low = range ? firstFrom(lines.length, (index) => lines[index].at, range[0]) : 0;
  const high = range ? firstFrom(lines.length, (index) => lines[index].at, range[1] + 0.001) : lines.length;
  const within = lines.slice(low, high);
  if (query === "" && hidden.size === 0) return within;
  return within.filter(({ member, text }) =>
    !hidden.has(member) && (query === "" || text.toLowerCase().includes(query))
  );
}
