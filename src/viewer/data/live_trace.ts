/**
 * A trace that grows: takes the files of a recording as they are written, piece by piece, and tells the trace as it is. What it
 * has read it does not read again; it lets go of what the recorder's rings let go of.
 */

import { CONSOLE, readMeta, withOthers } from "./bundle.ts";
import { CastReader, LineReader } from "./cast.ts";
import { addToLinks, type Links, sortedLinks, storyOf } from "./derived.ts";
import { bytesOf } from "./embedded.ts";
import { readEvents } from "./events.ts";
import { JOURNAL, journalLines } from "./journal.ts";
import {
  type ConsoleLine,
  firstFrom,
  type LinkSeries,
  type Member,
  number,
  text,
  type Trace,
  type TraceEvent,
} from "./model.ts";
import { Packets } from "./packets.ts";

/** Which a page can still show quickly; the recorder keeps about as many. */
const MOST_EVENTS = 150_000, MOST_PACKETS = 200_000;
const SORT_MS = 15_000;

/** A console, with what has been made of it. */
interface Console {
  reader: CastReader;
  lines: LineReader;
  /** How many pieces were made lines of, counted from the first that ever was. */
  read: number;
  /** Where its present file begins, counted likewise. */
  turnedAt: number;
}

export class LiveTrace {
  #meta = readMeta("{}", []);
  #notices: string[] = [];
  #start = NaN;
  #now = 0;
  #members: Member[] = [];
  #events: TraceEvent[] = [];
  readonly #links: Links = new Map();
  /** When they were sorted: not always, for the plot's colours go by their order. */
  #sortedAt = -Infinity;
  #linkOrder: LinkSeries[] = [];
  readonly #consoles = new Map<string, Console>();
  /** Where the present file of each journal begins. */
  readonly #journals = new Map<string, ConsoleLine | undefined>();
  #lines: ConsoleLine[] = [];
  readonly #packets = new Packets();
  /** How many packets came in each file. */
  readonly #packetFiles = new Map<string, number>();
  /** What is other than it was told. */
  #isNew = { story: true, members: true, events: true, links: true, lines: true };
  #told: Trace | undefined;

  /** Takes a message about a file, or about the time. */
  take(message: Record<string, unknown>): void {
    const file = text(message.file), becomes = text(message.becomes), at = Date.parse(text(message.now));
    if (!Number.isNaN(at)) this.#now = at;
    if (file === "meta.json") this.#takeMeta(text(message.text));
    else if (file.endsWith(".ndjson")) { for (const event of readEvents(text(message.text))) this.#add(event); }
    else if (file.endsWith(".cast")) this.#takeConsole(file, text(message.text), becomes !== "");
    else if (file.endsWith(".journal")) this.#takeJournal(file, text(message.text), becomes !== "");
    else if (file.endsWith(".pcapng")) this.#takePackets(file, text(message.base64), message.gone === true);
  }

  /** The trace as it is. Parts of it that did not change are the same objects as before. */
  tell(): Trace {
    const { meta, macs, members } = this.#meta, isNew = this.#isNew, before = this.#told;
    if (Number.isNaN(this.#start)) this.#start = this.#now || 0;
    const start = this.#start, end = Math.max(start + 1, this.#now, this.#events.at(-1)?.at ?? 0);
    if (isNew.members || isNew.story) {
      const inStates = this.#events.flatMap(({ kind, members: its }) => kind === "state" ? its : []);
      const next = withOthers(members, [...inStates, ...this.#consoles.keys()]);
      if (JSON.stringify(next) !== JSON.stringify(this.#members)) this.#members = next;
    }
    const story = before && !isNew.story ? before : storyOf(this.#events.filter(({ kind }) => kind !== "link"), end);
    for (const spans of story.states.values()) {
      const last = spans.at(-1)!;
      last.event.until = last.to = end;
    }
    const { states, faults, commands, moments, clocks } = story;
    this.#told = {
      ...{ meta, macs, start, end, members: this.#members, notices: this.#notices, error: "" },
      ...{ states, faults, commands, moments, clocks },
      events: before && !isNew.events ? before.events : this.#events.slice(),
      links: before && !isNew.links ? before.links : this.#orderedLinks(end),
      casts: [...this.#consoles.values()].flatMap(({ reader }) => reader.cast ?? []),
      lines: before && !isNew.lines ? before.lines : this.#lines.slice(),
      packets: this.#packets,
    };
    this.#isNew = { story: false, members: false, events: false, links: false, lines: false };
    return this.#told;
  }

  #orderedLinks(now: number): LinkSeries[] {
    if (now - this.#sortedAt >= SORT_MS || this.#linkOrder.length === 0) {
      this.#linkOrder = sortedLinks(this.#links);
      this.#sortedAt = now;
    } else this.#linkOrder = [...new Set([...this.#linkOrder, ...this.#links.values()])];
    return this.#linkOrder;
  }

  #takeMeta(content: string): void {
    this.#notices = [];
    this.#meta = readMeta(content, this.#notices);
    if (Number.isNaN(this.#start)) this.#start = this.#meta.meta.started;
    this.#isNew.members = true;
  }

  /** In the order of time: most come at the end. */
  #add(event: TraceEvent): void {
    const events = this.#events;
    if (Number.isNaN(this.#start)) this.#start = event.at;
    let place = events.length;
    while (place > 0 && events[place - 1].at > event.at) place--;
    events.splice(place, 0, event);
    if (event.kind === "command") { // it stands for its beginning, too
      const began = events.findLastIndex(({ kind, raw }) =>
        kind === "command-began" && text(raw.id) === text(event.raw.id)
      );
      if (began >= 0) events.splice(began, 1);
      place = began < 0 ? place : Math.min(began, place);
    }
    for (; place < events.length; place++) events[place].index = place;
    this.#isNew.events = true;
    if (event.kind === "link") {
      addToLinks(this.#links, event, this.#start);
      this.#isNew.links = true;
    } else this.#isNew.story = true;
    if (events.length > MOST_EVENTS) this.#thinOut();
  }

  /** Lets go of the older half of what passed on the links, and then of all that is old. */
  #thinOut(): void {
    let some = Math.ceil(MOST_EVENTS / 2);
    this.#events = this.#events.filter(({ kind }) => kind !== "link" || some-- <= 0).slice(-MOST_EVENTS * 0.9);
    for (const [index, event] of this.#events.entries()) event.index = index;
    const first = this.#events.find(({ kind }) => kind === "link")?.at ?? this.#now;
    for (const { frames, drops } of this.#links.values()) {
      for (const seconds of [frames, drops]) {
        for (const second of seconds.keys()) if (this.#start + second * 1000 < first - 2000) seconds.delete(second);
      }
    }
    this.#isNew.story = true;
  }

  #takeConsole(file: string, content: string, isTurned: boolean): void {
    const member = CONSOLE.exec(file)?.[1] ?? "";
    let its = this.#consoles.get(member);
    if (!its) {
      its = { reader: new CastReader(member), lines: new LineReader(member), read: 0, turnedAt: 0 };
      this.#consoles.set(member, its);
      this.#isNew.members = true;
    }
    its.reader.add(content);
    const { cast } = its.reader;
    if (!cast) return;
    const came: ConsoleLine[] = [];
    for (; its.read < cast.gone + cast.pieces.length; its.read++) {
      const index = its.read - cast.gone;
      came.push(...its.lines.add(cast.times[index], cast.pieces[index]));
    }
    if (came.length > 0) this.#addLines(came);
    if (file.endsWith(".1.cast")) its.turnedAt = its.read; // a page that has just come hears of it like this
    if (isTurned) {
      // What was the older file is let go of; the present one becomes it.
      const count = its.turnedAt - cast.gone;
      cast.times.splice(0, count);
      cast.pieces.splice(0, count);
      cast.gone += count;
      its.turnedAt = its.read;
      const first = cast.times.at(0) ?? Infinity;
      this.#lines = this.#lines.filter((line) => line.member !== member || line.isJournal || line.at >= first);
      this.#isNew.lines = true;
    }
  }

  #takeJournal(file: string, content: string, isTurned: boolean): void {
    const member = JOURNAL.exec(file)?.[1] ?? "", came = journalLines(member, content);
    if (!this.#journals.has(member) && !file.endsWith(".1.journal")) this.#journals.set(member, came.at(0));
    if (came.length > 0) this.#addLines(came);
    if (!isTurned) return;
    // What was the older file is let go of; the present one becomes it.
    const first = this.#journals.get(member)?.at ?? -Infinity;
    this.#journals.delete(member);
    this.#lines = this.#lines.filter((line) => line.member !== member || !line.isJournal || line.at >= first);
    this.#isNew.lines = true;
  }

  #addLines(came: ConsoleLine[]): void {
    const lines = this.#lines, first = came.reduce((at, line) => Math.min(at, line.at), Infinity);
    const place = firstFrom(lines.length, (index) => lines[index].at, first);
    const mixed = [...lines.splice(place), ...came].sort((a, b) => a.at - b.at);
    for (const line of mixed) lines.push(line);
    this.#isNew.lines = true;
  }

  #takePackets(file: string, base64: string, isGone: boolean): void {
    const packets = this.#packets, before = packets.count;
    if (isGone) {
      packets.forget(this.#packetFiles.get(file) ?? 0);
      this.#packetFiles.delete(file);
      return;
    }
    packets.append(bytesOf(base64), this.#meta.macs);
    this.#packetFiles.set(file, (this.#packetFiles.get(file) ?? 0) + packets.count - before);
    if (packets.count <= MOST_PACKETS) return;
    let rest = packets.count - MOST_PACKETS * 0.8;
    packets.forget(rest);
    for (const [name, count] of this.#packetFiles) {
      const its = Math.min(rest, count);
      this.#packetFiles.set(name, count - its);
      rest -= its;
    }
  }
}

/** A line of the server's stream that is about a command. */
export function ranOf(value: Record<string, unknown>): { id: number; line: string; code?: number; output: string } {
  const code = number(value.code);
  return {
    ...{ id: number(value.id) ?? 0, line: text(value.line), output: text(value.output) },
    ...(code === undefined ? {} : { code }),
  };
}
