/** The network of a group as a picture shows it: who is there, what passes between two, and which faults touch them. */

import { GATEWAY } from "../../core/faults/gateway_name.ts";
import { number, record, text, texts, type Trace, type TraceEvent } from "./model.ts";

type Span = readonly [from: number, to: number];

/** What a fault does to frames. */
export type Effect = "cut" | "held" | "shaped";

/** One way of a link. */
export interface Way {
  from: string;
  to: string;
  frames: number;
  dropped: number;
  effect: Effect | undefined;
}

/** What two have between them: both ways. */
export interface Pair {
  ways: [Way, Way];
  faults: TraceEvent[];
  /** What the faults do, in a word or two. */
  words: string;
}

export interface Place {
  name: string;
  state: string;
  stage: string;
  ip: string;
  /** Those of the machine itself. */
  faults: TraceEvent[];
}

export interface Picture {
  places: Place[];
  pairs: Pair[];
  /** Of what time the frames are. */
  span: Span;
}

/** Of more members only the pairs are shown that have frames or faults: 8 have 36 with the gateway. */
const MOST_WHOLE = 8;

/** The picture of a stretch of time. @param hidden members that are not shown @param isNow only faults that have not ended are shown */
export function pictureOf(trace: Trace, span: Span, hidden: ReadonlySet<string>, isNow = false): Picture {
  const members = trace.members.map(({ name }) => name);
  const names = [...members, GATEWAY].filter((name) => !hidden.has(name));
  const faults = trace.faults.filter(({ at, until }) =>
    isNow ? until === undefined : at <= span[1] && (until ?? Infinity) > span[0]
  );
  const effects = faults.map((fault) => ({ fault, has: effectOf(fault, members) }));
  const passed = framesIn(trace, span);
  const pairs: Pair[] = [];
  for (const [index, a] of names.entries()) {
    for (const b of names.slice(index + 1)) {
      const ways = [wayOf(a, b), wayOf(b, a)] as [Way, Way];
      const its = effects.filter(({ has }) => has && (has.touches(a, b) || has.touches(b, a)));
      for (const way of ways) {
        Object.assign(way, passed.get(JSON.stringify([way.from, way.to])));
        way.effect = its.map(({ has }) => has!).filter(({ touches }) => touches(way.from, way.to))
          .map(({ effect }) => effect).toSorted()[0]; // a cut before what is held, and that before what is shaped
      }
      const isQuiet = its.length === 0 && ways.every(({ frames, dropped }) => frames + dropped === 0);
      if (isQuiet && members.length > MOST_WHOLE) continue;
      const wordsOf = ({ words, touches }: Touching) => {
        const [there, back] = [touches(a, b), touches(b, a)];
        return there && back ? words : `${words} ${there ? a : b} → ${there ? b : a}`;
      };
      const words = [...new Set(its.map(({ has }) => wordsOf(has!)))].join("; ");
      pairs.push({ ways, faults: its.map(({ fault }) => fault), words });
    }
  }
  const places = names.map((name): Place => {
    const spans = trace.states.get(name) ?? [];
    const last = spans.findLast(({ from }) => from <= span[1]) ?? spans.at(0);
    return {
      ...{ name, state: last?.state ?? "", stage: last?.stage ?? "" },
      ip: trace.members.find((one) => one.name === name)?.ip ?? "",
      faults: faults.filter((fault, index) => !effects[index].has && fault.members.includes(name)),
    };
  });
  return { places, pairs, span };
}

/** The last second of which the links have told, or none where they tell of nothing any more. */
export function lastSecond({ start, end, links }: Trace): Span {
  let second = -Infinity;
  for (const { last } of links) second = Math.max(second, last);
  const its = Math.max(second, Math.floor((end - start) / 1000) - 2);
  return [start + its * 1000, Math.max(end, start + its * 1000)];
}

const wayOf = (from: string, to: string): Way => ({ from, to, frames: 0, dropped: 0, effect: undefined });

/** Frames by sender and receiver, as JSON. */
function framesIn({ start, links }: Trace, span: Span): Map<string, { frames: number; dropped: number }> {
  const low = Math.floor((span[0] - start) / 1000), high = Math.floor((span[1] - start) / 1000);
  const sumOf = <Value>(seconds: Map<number, Value>, countOf: (value: Value) => number) => {
    let sum = 0;
    if (high - low < seconds.size) {
      for (let second = low; second <= high; second++) {
        const value = seconds.get(second);
        if (value !== undefined) sum += countOf(value);
      }
    } else {
      for (const [second, value] of seconds) if (second >= low && second <= high) sum += countOf(value);
    }
    return sum;
  };
  return new Map(links.map(({ from, to, frames, drops }) => {
    const dropped = sumOf(drops, (causes) => Object.values(causes).reduce((sum, count) => sum + count, 0));
    return [JSON.stringify([from, to]), { frames: sumOf(frames, (count) => count), dropped }];
  }));
}

interface Touching {
  effect: Effect;
  words: string;
  touches(from: string, to: string): boolean;
}

/** What a fault does to links; undefined: it is one of a machine. */
function effectOf(fault: TraceEvent, members: readonly string[]): Touching | undefined {
  const spec = record(fault.raw.spec), kind = text(spec.kind) || text(fault.raw.kind);
  const ends = { from: namesOr(spec.from, members), to: namesOr(spec.to, members) };
  const isOnWay = (from: string, to: string) =>
    from !== to && ends.from.has(from) && ends.to.has(to) &&
    // A recorder that could not ask for the ends knows whom it touches.
    (spec.from !== undefined || spec.to !== undefined || [from, to].some((name) => fault.members.includes(name)));
  switch (kind) {
    case "partition":
    case "hold":
    case "flap": {
      const sets = Array.isArray(spec.sets) ? spec.sets.map((set) => new Set(texts(set))) : [];
      const placeOf = (name: string) => sets.findIndex((set) => set.has(name));
      const touches = (from: string, to: string) => {
        // A shape is made of members that the event has.
        if (sets.length === 0) return fault.members.includes(from) && fault.members.includes(to);
        const [a, b] = [placeOf(from), placeOf(to)];
        return a >= 0 && b >= 0 && (spec.oneWay === true ? a < b : a !== b);
      };
      const words = { partition: "cut", hold: "held", flap: "cut again and again" }[kind];
      return { effect: kind === "hold" ? "held" : "cut", words, touches };
    }
    case "drop":
      return { effect: "cut", words: "cut", touches: isOnWay };
    case "shape":
      return { effect: "shaped", words: shapeWords(record(spec.shape)), touches: isOnWay };
    default:
      return undefined;
  }
}

const namesOr = (names: unknown, members: readonly string[]) =>
  new Set(Array.isArray(names) ? texts(names) : [...members, GATEWAY]);

function shapeWords(shape: Record<string, unknown>): string {
  const delay = number(shape.delayMs), loss = number(shape.loss), rate = number(shape.rateBitsPerSecond);
  const words = [
    delay ? `${delay} ms late` : "",
    loss ? `${Math.round(loss * 1000) / 10} % lost` : "",
    rate ? rateText(rate) : "",
  ].filter(Boolean);
  return words.join(", ") || "shaped";
}

function rateText(rate: number): string {
  return rate >= 1e6 ? `${rate / 1e6} Mbit/s` : rate >= 1000 ? `${rate / 1000} kbit/s` : `${rate} bit/s`;
}
