/** The lists below the lanes: events, packets, packets between the members, consoles. */

import { useMemo } from "preact/hooks";
import type { ConsoleLine, Trace, TraceEvent } from "../data/model.ts";
import { EVERYBODY } from "../data/packets.ts";
import { clockText, spanText } from "./words.ts";
import { VirtualList } from "./virtual_list.tsx";

export function EventTable({ trace, events, selected, follows, onSelect }: {
  trace: Trace;
  follows: boolean;
  events: readonly TraceEvent[];
  selected: TraceEvent | undefined;
  onSelect(event: TraceEvent): void;
}) {
  return (
    <VirtualList
      follows={follows}
      class="events"
      label="Events"
      count={events.length}
      selected={selected ? events.indexOf(selected) : -1}
      empty="No event fits the range, the search and the kinds."
      header={
        <>
          <span>time</span>
          <span>member</span>
          <span>kind</span>
          <span>lasts</span>
          <span>what</span>
        </>
      }
      row={(index) => {
        const event = events[index];
        return (
          <>
            <span class="time">{clockText(event.at - trace.start)}</span>
            <span>{event.members.join(", ")}</span>
            <span class={`kind ${event.kind}`}>{event.kind}</span>
            <span class="time">{event.until === undefined ? "" : spanText(event.until - event.at)}</span>
            <span class={event.isBad ? "bad" : ""}>{event.text.slice(0, 500)}</span>
          </>
        );
      }}
      onSelect={(index) => onSelect(events[index])}
    />
  );
}

interface PacketProps {
  trace: Trace;
  follows: boolean;
  /** Their places. */
  packets: Uint32Array;
  selected: number | undefined;
  onSelect(packet: number): void;
}

export function PacketTable({ trace, packets: shown, selected, follows, onSelect }: PacketProps) {
  const { packets } = trace;
  return (
    <VirtualList
      follows={follows}
      class="packets"
      label="Packets"
      count={shown.length}
      selected={placeOf(shown, selected)}
      empty={packets.count === 0
        ? "There are no packets in this bundle."
        : "No packet fits the range, the search and the members."}
      header={
        <>
          <span>time</span>
          <span>from</span>
          <span>to</span>
          <span>protocol</span>
          <span class="right">length</span>
          <span>what</span>
        </>
      }
      row={(place) => {
        const index = shown[place];
        const comments = packets.comments(index);
        return (
          <>
            <span class="time">{clockText(packets.times[index] - trace.start)}</span>
            <span>{packets.sender(index)}</span>
            <span>{packets.receiver(index)}</span>
            <span class={`protocol ${packets.protocol(index)}`}>{packets.protocol(index)}</span>
            <span class="right">{packets.lengths[index]}</span>
            <span class={packets.dropped[index] ? "bad" : ""}>
              {packets.info(index)}
              {comments.length > 0 && <em>{comments.join("; ").slice(0, 300)}</em>}
            </span>
          </>
        );
      }}
      onSelect={(place) => onSelect(shown[place])}
    />
  );
}

/** The width of the column of times, and of each member's. */
const TIMES = 150, COLUMN = 140, ARROW_ROW = 28;
/** What is dropped ends so far before its receiver. */
const DROPPED_BEFORE = 44;

/** A space-time diagram: a vertical line for each member, time goes down, each packet is an arrow. */
export function SpaceTime({ trace, packets: shown, selected, follows, onSelect }: PacketProps) {
  const { packets } = trace;
  const columns = useMemo(() => {
    const members = trace.members.map(({ name }) => name);
    const others = packets.names.filter((name) => name !== "" && name !== EVERYBODY && !members.includes(name));
    return [...members, ...others.slice(0, 6)];
  }, [trace.members, trace.packets, packets.names.length]);
  const xOf = (name: string) => TIMES + COLUMN * (columns.indexOf(name) + 0.5);
  const width = TIMES + COLUMN * columns.length;
  return (
    <VirtualList
      follows={follows}
      class="spacetime"
      label="Packets as arrows"
      rowHeight={ARROW_ROW}
      count={shown.length}
      selected={placeOf(shown, selected)}
      empty={packets.count === 0
        ? "There are no packets in this bundle."
        : "No packet fits the range, the search and the members."}
      header={
        <div class="columns" style={{ paddingLeft: `${TIMES}px` }}>
          {columns.map((name) => <span key={name} style={{ width: `${COLUMN}px` }}>{name}</span>)}
        </div>
      }
      row={(place) => {
        const index = shown[place], isDropped = packets.dropped[index] === 1;
        const time = packets.times[index], before = place > 0 ? packets.times[shown[place - 1]] : undefined;
        const gap = before === undefined ? "" : `+${spanText(time - before)}`;
        const from = packets.sender(index), to = packets.receiver(index);
        const ends = to === EVERYBODY ? columns.filter((name) => name !== from) : [to];
        const comments = packets.comments(index);
        return (
          <svg width={width + 420} height={ARROW_ROW} aria-hidden="true">
            <text class="time" x="8" y="18">{clockText(time - trace.start)}</text>
            <text class="gap" x={TIMES - 8} y="18" text-anchor="end">{gap}</text>
            {columns.map((name) => (
              <line
                key={name}
                class="life"
                x1={xOf(name)}
                x2={xOf(name)}
                y1="0"
                y2={ARROW_ROW}
              />
            ))}
            {columns.includes(from) &&
              ends.filter((name) => columns.includes(name)).map((name) => (
                <Arrow key={name} from={xOf(from)} to={xOf(name)} isDropped={isDropped} />
              ))}
            <text class={isDropped ? "bad" : "says"} x={width + 8} y="18">
              {`${packets.protocol(index)} ${packets.info(index)}${
                comments.length > 0 ? ` · ${comments[0].slice(0, 120)}` : ""
              }`}
            </text>
          </svg>
        );
      }}
      onSelect={(place) => onSelect(shown[place])}
    />
  );
}

function Arrow({ from, to, isDropped }: { from: number; to: number; isDropped: boolean }) {
  const y = ARROW_ROW / 2, way = Math.sign(to - from), end = isDropped ? to - way * DROPPED_BEFORE : to;
  if (way === 0) return <circle class="arrow" cx={from} cy={y} r="4" />;
  return (
    <g class={isDropped ? "arrow dropped" : "arrow"}>
      <circle cx={from} cy={y} r="2.5" />
      <line x1={from} x2={end - way * 3} y1={y} y2={y} />
      {isDropped
        ? <path d={`M${end - 4} ${y - 4}l8 8m0 -8l-8 8`} />
        : <path d={`M${end - way * 8} ${y - 4}L${end - way} ${y}L${end - way * 8} ${y + 4}`} />}
    </g>
  );
}

function placeOf(shown: Uint32Array, selected: number | undefined): number {
  if (selected === undefined) return -1;
  let low = 0, high = shown.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (shown[middle] < selected) low = middle + 1;
    else high = middle;
  }
  return shown[low] === selected ? low : -1;
}

export function LineTable({ trace, lines, selected, follows, onSelect }: {
  trace: Trace;
  follows: boolean;
  lines: readonly ConsoleLine[];
  selected: ConsoleLine | undefined;
  onSelect(line: ConsoleLine): void;
}) {
  return (
    <VirtualList
      follows={follows}
      class="lines"
      label="Lines of consoles and journals"
      rowHeight={19}
      count={lines.length}
      selected={selected ? lines.indexOf(selected) : -1}
      empty={trace.lines.length === 0
        ? "No console or journal wrote anything."
        : "No line fits the range, the search and the members."}
      row={(index) => {
        const { at, member, text, isJournal } = lines[index];
        return (
          <>
            <span class="time">{clockText(at - trace.start)}</span>
            <span class="member">{member}</span>
            <span class={isJournal ? "mono journal" : "mono"}>{text.slice(0, 1000)}</span>
          </>
        );
      }}
      onSelect={(index) => onSelect(lines[index])}
    />
  );
}
