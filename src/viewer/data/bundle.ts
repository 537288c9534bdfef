/** A bundle's files as a trace: the one place that knows what is in which file (docs/trace.md). */

import { linesOf, readCast } from "./cast.ts";
import { readEvents } from "./events.ts";
import {
  type LinkSeries,
  type Member,
  type Meta,
  number,
  record,
  type StateSpan,
  text,
  texts,
  type Trace,
  type TraceEvent,
} from "./model.ts";
import { Packets } from "./packets.ts";
import { joined } from "./unzip.ts";

export type Files = ReadonlyMap<string, Uint8Array>;

/** Events of the list that are moments of the group, shown as lines across it. */
const MOMENTS = ["mark", "checkpoint", "fork", "restore", "suspend", "test-began", "test-ended"];

/** Reads a bundle. @param cut what is known to be missing in it */
export function readBundle(files: Files, cut: readonly string[] = []): Trace {
  const notices = [...cut];
  const decode = (name: string) => new TextDecoder().decode(files.get(name));
  const { raw, meta } = readMeta(files.has("meta.json") ? decode("meta.json") : "", notices);
  const members = readMembers(raw);
  const events = [...files.keys()].filter((name) => /^events(-\d+)?\.ndjson$/.test(name))
    .flatMap((name) => readEvents(decode(name)));
  const casts = [...files.keys()].filter((name) => name.endsWith(".cast")).sort()
    .flatMap((name) => readCast(name.slice(0, -".cast".length), decode(name)) ?? []);
  const lines = casts.flatMap(linesOf).sort((a, b) => a.at - b.at);
  const packets = new Packets();
  packets.read(packetsIn(files), macsOf(raw, members));
  if (packets.isCut) {
    notices.push("net.pcapng ends in the middle of a record, or is damaged: what is before that is shown");
  }

  const named = new Set(members.map(({ name }) => name));
  for (
    const name of [
      ...casts.map(({ member }) => member),
      ...events.flatMap((one) => one.kind === "state" ? one.members : []),
    ]
  ) {
    if (!named.has(name)) members.push({ name, ip: "", mac: "", image: "" });
    named.add(name);
  }
  const { start, end } = extent(meta, events, lines, packets);
  const kept = merge(events);
  if (meta.ended === undefined) notices.push("The recording has no end: it was killed, or still runs");
  return {
    ...{ meta: { ...meta, started: start }, start, end, members, events: kept, casts, lines, packets, notices },
    states: statesOf(kept, end),
    faults: faultsOf(kept),
    commands: byMember(kept.filter(({ kind }) => kind === "command" || kind === "command-began")),
    moments: kept.filter(({ kind }) => MOMENTS.includes(kind)),
    clocks: byMember(kept.filter(({ kind }) => kind === "clock")),
    links: linksOf(kept, start),
    error: files.has("error.txt") ? decode("error.txt") : meta.test?.error ?? "",
  };
}

function readMeta(content: string, notices: string[]): { raw: Record<string, unknown>; meta: Meta } {
  let raw: Record<string, unknown> = {};
  try {
    raw = record(JSON.parse(content));
  } catch {
    notices.push("meta.json is missing or damaged: who the members are is taken from the events");
  }
  const host = record(raw.host), test = record(raw.test);
  const ended = Date.parse(text(raw.ended));
  for (const one of Array.isArray(raw.cut) ? raw.cut.map(record) : []) {
    notices.push(`${text(one.file)}: ${number(one.bytes) ?? "some"} bytes before ${text(one.before)} were not kept`);
  }
  const meta: Meta = {
    id: text(raw.id),
    group: text(raw.group),
    started: Date.parse(text(raw.started)),
    ...(Number.isNaN(ended) ? {} : { ended }),
    command: texts(raw.command),
    fleetbox: text(raw.fleetbox),
    hypervisor: text(raw.qemu),
    accelerator: text(raw.accelerator),
    host: [text(host.os), text(host.arch), number(host.cpus) && `${host.cpus} CPUs`].filter(Boolean).join(", "),
    seed: raw.seed === undefined ? "" : String(raw.seed),
    ...(text(test.name)
      ? { test: { name: text(test.name), file: text(test.file), line: number(test.line), error: text(test.error) } }
      : {}),
  };
  return { raw, meta };
}

function readMembers(raw: Record<string, unknown>): Member[] {
  const all = Array.isArray(raw.members) ? raw.members.map(record) : [];
  return all.filter(({ name }) => text(name)).map((one) => ({
    ...{ name: text(one.name), ip: text(one.ip), mac: text(one.mac), image: text(one.image) },
    ...{ cpus: number(one.cpus), memoryMb: number(one.memory_mb) },
  }));
}

function macsOf(raw: Record<string, unknown>, members: readonly Member[]): Map<string, string> {
  const macs = new Map(members.map(({ mac, name }) => [mac.toLowerCase(), name]));
  const gateway = text(record(raw.gateway).mac).toLowerCase();
  if (gateway) macs.set(gateway, "gateway");
  return macs;
}

function packetsIn(files: Files): Uint8Array {
  const whole = files.get("net.pcapng");
  if (whole) return whole;
  return joined(
    [...files.keys()].filter((name) => /^net-\d+\.pcapng$/.test(name)).sort().map((name) => files.get(name)!),
  );
}

/** In the order of time. A command that has ended stands for its beginning, too. */
function merge(events: TraceEvent[]): TraceEvent[] {
  const ended = new Set(events.flatMap(({ kind, raw }) => kind === "command" ? text(raw.id) : []));
  const kept = events.filter(({ kind, raw }) => kind !== "command-began" || !ended.has(text(raw.id)));
  kept.sort((a, b) => a.at - b.at);
  for (const [index, event] of kept.entries()) event.index = index;
  return kept;
}

function extent(
  meta: Meta,
  events: TraceEvent[],
  lines: { at: number }[],
  packets: Packets,
): { start: number; end: number } {
  let start = meta.started, end = meta.ended ?? NaN;
  if (Number.isNaN(start)) {
    const firsts = [lines.at(0)?.at, packets.count > 0 ? packets.times[0] : undefined, ...events.map(({ at }) => at)]
      .filter((at) => at !== undefined);
    start = firsts.length > 0 ? firsts.reduce((a, b) => Math.min(a, b)) : 0;
  }
  if (Number.isNaN(end)) {
    end = Math.max(start + 1000, lines.at(-1)?.at ?? 0, packets.count > 0 ? packets.times[packets.count - 1] : 0);
    for (const { at, until } of events) end = Math.max(end, until ?? at);
  }
  return { start, end: Math.max(end, start + 1) };
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

function linksOf(events: readonly TraceEvent[], start: number): LinkSeries[] {
  const links = new Map<string, LinkSeries>();
  for (const { kind, at, raw } of events) {
    if (kind !== "link") continue;
    const from = text(raw.from), to = text(raw.to), key = JSON.stringify([from, to]);
    let link = links.get(key);
    if (!link) links.set(key, link = { from, to, frames: new Map(), drops: new Map(), total: 0, dropped: 0 });
    const second = Math.floor((at - start) / 1000), frames = number(raw.frames) ?? 0;
    link.frames.set(second, (link.frames.get(second) ?? 0) + frames);
    link.total += frames;
    for (const [cause, count] of Object.entries(record(raw.dropped))) {
      const its = link.drops.get(second) ?? Object.create(null) as Record<string, number>;
      its[cause] = (its[cause] ?? 0) + (number(count) ?? 0);
      link.drops.set(second, its);
      link.dropped += number(count) ?? 0;
    }
  }
  return [...links.values()].sort((a, b) => b.total - a.total);
}
