/** The network as a picture: members and the gateway on an ellipse, and between two a line for each way. */

import { useEffect, useRef, useState } from "preact/hooks";
import type { Trace } from "../data/model.ts";
import type { Pair, Picture, Place, Way } from "../data/network.ts";
import type { Selection } from "./details.tsx";
import { clockText, countText } from "./words.ts";

interface Props {
  picture: Picture;
  trace: Trace;
  /** Whether it is of the last second. */
  isLast: boolean;
  selection: Selection | undefined;
  onSelect(selection: Selection | undefined): void;
}

interface Point {
  x: number;
  y: number;
}

/** The size of a member's box; of a small one, where there are many. */
const WIDE = 128, HIGH = 58, SMALL_WIDE = 96, SMALL_HIGH = 40, MANY = 9;
/** Between the two ways of a link, in pixels. */
const APART = 5;
/** Where the numbers and the words are on a line: nowhere do two lines cross there. */
const NUMBER_AT = 0.27, WORDS_AT = 0.43;

export function Network({ picture, trace, isLast, selection, onSelect }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const [{ width, height }, setSize] = useState({ width: 0, height: 0 });
  useEffect(() => {
    const observer = new ResizeObserver(([{ contentRect }]) => setSize(contentRect));
    observer.observe(place.current!);
    return () => observer.disconnect();
  }, []);
  const { places, pairs, span } = picture;
  const isCrowded = places.length > MANY;
  const [wide, high] = isCrowded ? [SMALL_WIDE, SMALL_HIGH] : [WIDE, HIGH];
  const points = new Map(places.map(({ name }, index): [string, Point] => {
    const angle = Math.PI / 2 + (index + 1) / places.length * 2 * Math.PI; // the last one, the gateway, is at the bottom
    const [across, down] = [Math.min(width / 2 - wide / 2 - 12, 460), height / 2 - high / 2 - 10];
    return [name, { x: width / 2 + across * Math.cos(angle), y: height / 2 + down * Math.sin(angle) }];
  }));
  const isPair = ({ ways: [{ from, to }] }: Pair) =>
    selection?.what === "pair" && selection.a === from && selection.b === to;
  const isOfSelected = (pair: Pair) =>
    isPair(pair) || (selection?.what === "place" && pair.ways.some(({ from }) => from === selection.name));
  const time = (at: number) => clockText(at - trace.start, 0);
  return (
    <div class="network" ref={place} onClick={() => onSelect(undefined)}>
      {width > 0 && (
        <svg width={width} height={height} role="group" aria-label="The network">
          {pairs.map((pair) => {
            const [{ from, to }] = pair.ways;
            return (
              <PairLine
                key={JSON.stringify([from, to])}
                pair={pair}
                from={points.get(from)!}
                to={points.get(to)!}
                isSelected={isPair(pair)}
                isFaint={isCrowded && !isOfSelected(pair)}
                onSelect={() => onSelect({ what: "pair", a: from, b: to })}
              />
            );
          })}
          {places.map((one) => (
            <PlaceBox
              key={one.name}
              place={one}
              point={points.get(one.name)!}
              wide={wide}
              high={high}
              isSelected={selection?.what === "place" && selection.name === one.name}
              onSelect={() => onSelect({ what: "place", name: one.name })}
            />
          ))}
        </svg>
      )}
      <p class="of">{isLast ? "frames in the last second" : `frames from ${time(span[0])} to ${time(span[1])}`}</p>
    </div>
  );
}

/** Clicks, and the keys of a button. */
const pressed = (act: () => void) => ({
  tabindex: 0, // an attribute of SVG, which has no other letters
  role: "button" as const,
  onClick(event: Event) {
    event.stopPropagation();
    act();
  },
  onKeyDown(event: KeyboardEvent) {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    act();
  },
});

function PairLine({ pair, from, to, isSelected, isFaint, onSelect }: {
  pair: Pair;
  /** Of many that cannot all be read. */
  isFaint: boolean;
  from: Point;
  to: Point;
  isSelected: boolean;
  onSelect(): void;
}) {
  const { ways, words } = pair;
  const length = Math.hypot(to.x - from.x, to.y - from.y) || 1;
  const aside = { x: -(to.y - from.y) / length * APART, y: (to.x - from.x) / length * APART };
  const says = ways.map(({ from: a, to: b, frames, dropped }) =>
    `${a} to ${b} ${countText(frames)} frames${dropped > 0 ? `, ${countText(dropped)} dropped` : ""}`
  );
  const between = (part: number): Point => ({
    x: from.x + (to.x - from.x) * part,
    y: from.y + (to.y - from.y) * part,
  });
  return (
    <g
      class={`pair${isSelected ? " selected" : ""}${isFaint && words === "" ? " faint" : ""}`}
      aria-label={`Link ${ways[0].from} – ${ways[0].to}: ${[...says, words].filter(Boolean).join("; ")}`}
      {...pressed(onSelect)}
    >
      <line class="wide" x1={from.x} y1={from.y} x2={to.x} y2={to.y} />
      <WayLine way={ways[0]} from={from} to={to} aside={aside} />
      <WayLine way={ways[1]} from={to} to={from} aside={{ x: -aside.x, y: -aside.y }} />
      {!isFaint && ways.map((way, index) =>
        way.frames + way.dropped > 0 && (
          <Label
            key={index}
            at={between(index === 0 ? NUMBER_AT : 1 - NUMBER_AT)}
            says={passedText(way)}
            class={way.effect ?? ""}
          />
        )
      )}
      {words && (
        <Label
          at={between(WORDS_AT)}
          says={words}
          class={`words ${ways.find(({ effect }) => effect)?.effect}`}
        />
      )}
    </g>
  );
}

/** What is dropped is among what was sent. */
function passedText({ frames, dropped }: Way): string {
  if (dropped === 0) return countText(frames);
  return `${frames > dropped ? `${countText(frames)}, ` : ""}${countText(dropped)} dropped`;
}

function WayLine({ way, from, to, aside }: { way: Way; from: Point; to: Point; aside: Point }) {
  const thick = way.frames === 0 ? 1 : 1.5 + Math.min(5, Math.log2(1 + way.frames) * 0.55);
  return (
    <line
      class={`way ${way.effect ?? ""}${way.frames === 0 ? " none" : ""}`}
      stroke-width={way.effect ? Math.max(2, thick) : thick}
      x1={from.x + aside.x}
      y1={from.y + aside.y}
      x2={to.x + aside.x}
      y2={to.y + aside.y}
    />
  );
}

function Label({ at, says, ...rest }: { at: Point; says: string; class: string }) {
  const text = says.length > 40 ? `${says.slice(0, 39)}…` : says;
  const width = text.length * 6.6 + 10;
  return (
    <g class={`label ${rest.class}`}>
      <rect x={at.x - width / 2} y={at.y - 8.5} width={width} height="17" rx="3" />
      <text x={at.x} y={at.y + 4} text-anchor="middle">{text}</text>
    </g>
  );
}

function PlaceBox({ place, point, wide, high, isSelected, onSelect }: {
  place: Place;
  point: Point;
  wide: number;
  high: number;
  isSelected: boolean;
  onSelect(): void;
}) {
  const { name, ip, faults } = place;
  const isPaused = faults.some(({ raw }) => raw.kind === "pause");
  const state = isPaused ? "paused" : place.state;
  const others = faults.length - (isPaused ? 1 : 0);
  const words = [isPaused ? "paused" : place.stage ? `${state} · ${place.stage}` : state, others > 0 ? "disturbed" : ""]
    .filter(Boolean).join(", ");
  const x = point.x - wide / 2, y = point.y - high / 2;
  const cut = (text: string, most: number) => text.length > most ? `${text.slice(0, most - 1)}…` : text;
  return (
    <g
      class={`place${isSelected ? " selected" : ""}${state === "" ? " plain" : ""}`}
      aria-label={[name, words, ip].filter(Boolean).join(", ")}
      {...pressed(onSelect)}
    >
      <rect x={x} y={y} width={wide} height={high} rx="5" />
      {state && (
        <rect
          class="state"
          x={x + 1}
          y={y + 1}
          width="7"
          height={high - 2}
          style={`fill: var(--state-${/^[a-z]+$/.test(state) ? state : "stopped"}, var(--dim))`}
        />
      )}
      <text class="name" x={x + 16} y={y + (high > 50 ? 19 : 16)}>{cut(name, wide > 100 ? 14 : 10)}</text>
      <text class="more" x={x + 16} y={y + (high > 50 ? 34 : 31)}>{cut(words || ip, wide > 100 ? 18 : 13)}</text>
      {high > 50 && words && <text class="more" x={x + 16} y={y + 49}>{ip}</text>}
    </g>
  );
}
