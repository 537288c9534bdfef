/** What follows from the events of a trace: states, faults, commands, moments, and the frames of its links. */

import { type LinkSeries, number, record, type StateSpan, text, type Trace, type TraceEvent } from "./model.ts";

/** Events of the list that are moments of the group, shown as lines across it. */
const MOMENTS = ["mark", "checkpoint", "fork", "restore", "suspend", "test-began", "test-ended"];

/** All but the links. @param end until when what has no end lasts */
export function storyOf(
  events: readonly TraceEvent[],
  end: number,
): Pick<Trace, "states" | "faults" | "commands" | "moments" | "clocks"> {
  return {
    states: statesOf(events, end),
    faults: faultsOf(events),
    commands: byMember(events.filter(({ kind }) => kind === "command" || kind === "command-began")),
    moments: events.filter(({ kind }) => MOMENTS.includes(kind)),
    clocks: byMember(events.filter(({ kind }) => kind === "clock")),
  };
}

function byMember(events: readonly TraceEvent[]): Map<string, TraceEvent[]> {
  return Map.groupBy(events, ({ members }) => members[0] ?? "");
}

function statesOf(events: readonly TraceEvent[], end: number): Map<string, StateSpan[]> {
  const states = new Map<string, StateSpan[]>();
  for (const event of events) {
    if (event.kind !== "state" || event.members.length === 0) continue;
    const [member] = event.members;
    const spans = states.get(member) ?? [];
    const last = spans.at(-1);
    if (last) last.to = event.at;
    spans.push({ from: event.at, to: end, state: text(event.raw.state), stage: text(event.raw.stage), event });
    states.set(member, spans);
  }
  for (const spans of states.values()) for (const span of spans) span.event.until = span.to;
  return states;
}

/** The beginnings of faults, which last until their ends. */
function faultsOf(events: readonly TraceEvent[]): TraceEvent[] {
  const faults: TraceEvent[] = [];
  const open = new Map<string, TraceEvent>();
  for (const event of events) {
    const id = text(event.raw.id);
    if (event.kind === "fault-began") {
      faults.push(event);
      open.set(id, event);
    } else if (event.kind === "fault-ended") {
      const began = open.get(id);
      if (began) began.until = event.at;
      open.delete(id);
    }
  }
  return faults;
}

/** The links by their ends, as they are heard of. */
export type Links = Map<string, LinkSeries>;

export function linksOf(events: readonly TraceEvent[], start: number): LinkSeries[] {
  const links: Links = new Map();
  for (const event of events) if (event.kind === "link") addToLinks(links, event, start);
  return sortedLinks(links);
}

/** Those with the most frames first. */
export const sortedLinks = (links: Links): LinkSeries[] => [...links.values()].sort((a, b) => b.total - a.total);

/** Adds what passed in a second. */
export function addToLinks(links: Links, { at, raw }: TraceEvent, start: number): void {
  const from = text(raw.from), to = text(raw.to), key = JSON.stringify([from, to]);
  let link = links.get(key);
  if (!link) links.set(key, link = { from, to, frames: new Map(), drops: new Map(), total: 0, dropped: 0, last: 0 });
  // It is told of at the end of its second.
  const second = Math.floor((at - start - 500) / 1000), frames = number(raw.frames) ?? 0;
  link.frames.set(second, (link.frames.get(second) ?? 0) + frames);
  link.total += frames;
  link.last = Math.max(link.last, second);
  for (const [cause, count] of Object.entries(record(raw.dropped))) {
    const its = link.drops.get(second) ?? Object.create(null) as Record<string, number>;
    its[cause] = (its[cause] ?? 0) + (number(count) ?? 0);
    link.drops.set(second, its);
    link.dropped += number(count) ?? 0;
  }
}
