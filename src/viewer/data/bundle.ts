/** A bundle's files as a trace: the one place that knows what is in which file (docs/trace.md). */

import { joined } from "../../core/bytes.ts";
import { linesOf, readCast } from "./cast.ts";
import { linksOf, storyOf } from "./derived.ts";
import { readEvents } from "./events.ts";
import { JOURNAL, journalLines } from "./journal.ts";
import { type Member, type Meta, number, record, text, texts, type Trace, type TraceEvent } from "./model.ts";
import { Packets } from "./packets.ts";

export type Files = ReadonlyMap<string, Uint8Array>;

/** A console's file, with its member; `a.1.cast` is the older part of a ring. */
export const CONSOLE = /^(.+?)(?:\.1)?\.cast$/;

/** Whether a file is read first: by these alone a trace can be shown, and they are small. */
export const isStory = (name: string) => /^(meta\.json|events(-\d+)?\.ndjson|error\.txt)$/.test(name);

/** Reads a bundle. @param cut what is known to be missing in it */
export function readBundle(files: Files, cut: readonly string[] = []): Trace {
  return addRest(readStory(files, cut), files);
}

/** What the files of {@link isStory} say: a trace without consoles and packets. */
export function readStory(files: Files, cut: readonly string[] = []): Trace {
  const notices = [...cut];
  const { meta, members, macs } = readMeta(files.has("meta.json") ? decode(files, "meta.json") : "", notices);
  const read = [...files.keys()].filter((name) => name.endsWith(".ndjson"))
    .flatMap((name) => readEvents(decode(files, name)));
  const events = merged(read);
  const inStates = events.flatMap(({ kind, members }) => kind === "state" ? members : []);
  if (meta.ended === undefined) notices.push("The recording has no end: it was killed, or still runs");
  const known = { meta, notices, events, members: withOthers(members, inStates), macs };
  const error = files.has("error.txt") ? decode(files, "error.txt") : meta.test?.error ?? "";
  return assembled({ ...known, casts: [], lines: [], packets: new Packets(), error });
}

/** Adds consoles and packets. What is as it was stays the same object, so that little is drawn anew. */
export function addRest(story: Trace, files: Files): Trace {
  const consoles = Map.groupBy([...files.keys()].sort(), (name) => CONSOLE.exec(name)?.[1]);
  // The older part of a ring, `a.1.cast`, sorts before `a.cast`.
  const casts = [...consoles].flatMap(([member, parts]) =>
    member === undefined ? [] : readCast(member, parts.map((name) => decode(files, name)).join("")) ?? []
  );
  const journals = [...files.keys()].sort().flatMap((name) => {
    const [, member] = JOURNAL.exec(name) ?? [];
    return member === undefined ? [] : journalLines(member, decode(files, name));
  });
  const lines = [...casts.flatMap(linesOf), ...journals].sort((a, b) => a.at - b.at);
  const packets = new Packets();
  packets.append(packetsIn(files), story.macs);
  const notices = packets.isCut
    ? [...story.notices, "net.pcapng ends in the middle of a record, or is damaged: what is before that is shown"]
    : story.notices;
  const members = withOthers(story.members, casts.map(({ member }) => member));
  const trace = { ...story, casts, lines, packets, notices, members };
  const { start, end } = extent(trace);
  return start === story.start && end === story.end ? trace : assembled(trace);
}

const decode = (files: Files, name: string) => new TextDecoder().decode(files.get(name));

/** The members, and those that only other files know. */
export function withOthers(members: Member[], names: readonly string[]): Member[] {
  const others = new Set(names).difference(new Set(members.map(({ name }) => name)));
  return others.size === 0
    ? members
    : [...members, ...[...others].map((name) => ({ name, ip: "", mac: "", image: "" }))];
}

type Known = Pick<Trace, "meta" | "notices" | "events" | "members" | "macs" | "casts" | "lines" | "packets" | "error">;

/** What follows from the events, and from when the trace began and ended. */
function assembled(known: Known): Trace {
  const { start, end } = extent(known), { events } = known;
  return {
    ...{ ...known, start, end },
    ...storyOf(events, end),
    links: linksOf(events, start),
  };
}

interface MetaRead {
  meta: Meta;
  members: Member[];
  macs: Map<string, string>;
}

/** @param notices gets what is wrong with it, or missing in the trace */
export function readMeta(content: string, notices: string[]): MetaRead {
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
  if (text(raw.problem)) notices.push(text(raw.problem));
  const meta: Meta = {
    id: text(raw.id),
    group: text(raw.group),
    started: Date.parse(text(raw.started)),
    ...(Number.isNaN(ended) ? {} : { ended }),
    command: texts(raw.command),
    fleetbox: text(raw.fleetbox),
    hypervisor: text(raw.hypervisor),
    accelerator: text(raw.accelerator),
    host: [text(host.os), text(host.arch), number(host.cpus) && `${host.cpus} CPUs`].filter(Boolean).join(", "),
    seed: raw.seed === undefined ? "" : String(raw.seed),
    ...(text(test.name)
      ? { test: { name: text(test.name), file: text(test.file), line: number(test.line), error: text(test.error) } }
      : {}),
  };
  return { meta, members: readMembers(raw), macs: macsOf(raw) };
}

function readMembers(raw: Record<string, unknown>): Member[] {
  const all = Array.isArray(raw.members) ? raw.members.map(record) : [];
  return all.filter(({ name }) => text(name)).map((one) => ({
    ...{ name: text(one.name), ip: text(one.ip), mac: text(one.mac), image: text(one.image) },
    ...{ cpus: number(one.cpus), memoryMb: number(one.memory_mb) },
  }));
}

function macsOf(raw: Record<string, unknown>): Map<string, string> {
  const macs = new Map(readMembers(raw).map(({ mac, name }) => [mac.toLowerCase(), name]));
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
function merged(events: TraceEvent[]): TraceEvent[] {
  const ended = new Set(events.flatMap(({ kind, raw }) => kind === "command" ? text(raw.id) : []));
  const kept = events.filter(({ kind, raw }) => kind !== "command-began" || !ended.has(text(raw.id)));
  kept.sort((a, b) => a.at - b.at);
  for (const [index, event] of kept.entries()) event.index = index;
  return kept;
}

function extent({ meta, events, lines, packets }: Pick<Known, "meta" | "events" | "lines" | "packets">) {
  let start = meta.started, end = meta.ended ?? NaN;
  const firstPacket = packets.count > 0 ? packets.times[0] : undefined;
  const lastPacket = packets.count > 0 ? packets.times[packets.count - 1] : 0;
  if (Number.isNaN(start)) {
    const firsts = [lines.at(0)?.at, firstPacket, events.at(0)?.at].filter((at) => at !== undefined);
    start = firsts.length > 0 ? Math.min(...firsts) : 0;
  }
  if (Number.isNaN(end)) {
    end = Math.max(start + 1000, lines.at(-1)?.at ?? 0, lastPacket);
    for (const { kind, at, until } of events) end = Math.max(end, kind === "command" ? until ?? at : at);
  }
  return { start, end: Math.max(end, start + 1) };
}
