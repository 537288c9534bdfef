/** The page: its state, its keys, and what is where. */

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Trace, TraceEvent } from "../data/model.ts";
import { Details, type Selection } from "./details.tsx";
import {
  type Filter,
  KIND_NAMES,
  type KindName,
  kindName,
  type Range,
  shownEvents,
  shownLines,
  shownPackets,
} from "./filter.ts";
import { Header } from "./header.tsx";
import { Lanes } from "./lanes.tsx";
import { LinksPlot } from "./links_plot.tsx";
import { EventTable, LineTable, PacketTable, SpaceTime } from "./tables.tsx";
import { Chip } from "./chip.tsx";
import { ConsoleScreen } from "./terminal.tsx";
import { countText } from "./words.ts";

export type Theme = "light" | "dark";

const TABS = ["Events", "Packets", "Space-time", "Consoles"] as const;
type Tab = typeof TABS[number];

/** Nothing narrower can be zoomed to, in ms. */
const MIN_VIEW = 0.5;

export function App({ trace }: { trace: Trace }) {
  const whole: Range = [trace.start, trace.end];
  const [view, setView] = useState<Range>(whole);
  const [range, setRange] = useState<Range>();
  const [typed, setTyped] = useState("");
  const [query, setQuery] = useState("");
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  const [kinds, setKinds] = useState<ReadonlySet<KindName>>(() =>
    new Set(KIND_NAMES.filter((name) => name !== "links"))
  );
  const [tab, setTab] = useState<Tab>("Events");
  const [selection, setSelection] = useState<Selection>();
  const [screen, setScreen] = useState("");
  const [isHelp, setHelp] = useState(false);
  const [theme, setTheme] = useState<Theme>(() =>
    matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"
  );
  const search = useRef<HTMLInputElement>(null);

  // Before what is below draws with its colours.
  if (document.documentElement.dataset.theme !== theme) document.documentElement.dataset.theme = theme;
  useEffect(() => {
    const limit = setTimeout(() => setQuery(typed.trim().toLowerCase()), 120);
    return () => clearTimeout(limit);
  }, [typed]);

  const filter: Filter = useMemo(() => ({ range, query, hidden }), [range, query, hidden]);
  const events = useMemo(() => shownEvents(trace, filter, kinds), [trace.events, filter, kinds]);
  const packets = useMemo(() => shownPackets(trace.packets, filter), [trace.packets, filter]);
  const lines = useMemo(() => shownLines(trace.lines, filter), [trace.lines, filter]);
  const kindCounts = useMemo(() => Map.groupBy(trace.events, ({ kind }) => kindName(kind)), [trace.events]);
  const counts: Record<Tab, number> = {
    ...{ Events: events.length, Packets: packets.length, "Space-time": packets.length, Consoles: lines.length },
  };
  const event = selection?.what === "event" ? selection.event : undefined;
  const packet = selection?.what === "packet" ? selection.packet : undefined;

  const show = ([from, to]: Range) => {
    const span = Math.min(Math.max(to - from, MIN_VIEW), whole[1] - whole[0]);
    const start = Math.max(whole[0], Math.min(from, whole[1] - span));
    setView([start, start + span]);
  };
  const limitRange = (next: Range | undefined) =>
    setRange(next && [Math.max(whole[0], next[0]), Math.min(whole[1], next[1])]);
  const zoom = (factor: number) => {
    const middle = event?.at ?? (range ? (range[0] + range[1]) / 2 : (view[0] + view[1]) / 2);
    const span = (view[1] - view[0]) * factor;
    show(
      factor < 1 && range ? [range[0] - span * 0.02, range[1] + span * 0.02] : [middle - span / 2, middle + span / 2],
    );
  };
  const select = (next: TraceEvent) => {
    setSelection({ what: "event", event: next });
    if (next.at > view[1] || (next.until ?? next.at) < view[0]) {
      const span = view[1] - view[0];
      show([next.at - span / 2, next.at + span / 2]);
    }
  };

  const keys: Record<string, () => void> = {
    "/": () => search.current!.focus(),
    "+": () => zoom(0.5),
    "=": () => zoom(0.5),
    "-": () => zoom(2),
    "0": () => show(whole),
    "?": () => setHelp(true),
    t: () => setTheme(theme === "dark" ? "light" : "dark"),
    ...Object.fromEntries(TABS.map((name, index) => [String(index + 1), () => setTab(name)])),
    Escape() {
      if (isHelp) setHelp(false);
      else if (document.activeElement === search.current) search.current!.blur();
      else if (range) setRange(undefined);
      else if (view[0] !== whole[0] || view[1] !== whole[1]) show(whole);
      else setSelection(undefined);
    },
  };
  const newest = useRef(keys);
  newest.current = keys;
  useEffect(() => {
    const onKey = (pressed: KeyboardEvent) => {
      if (pressed.ctrlKey || pressed.metaKey || pressed.altKey) return;
      const isTyping = pressed.target instanceof HTMLInputElement && pressed.target.type === "search";
      if (isTyping && pressed.key !== "Escape") return;
      const act = Object.hasOwn(newest.current, pressed.key) ? newest.current[pressed.key] : undefined;
      if (!act) return;
      pressed.preventDefault();
      act();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);

  const toggle = <T,>(set: ReadonlySet<T>, one: T): ReadonlySet<T> =>
    new Set(set.has(one) ? [...set].filter((it) => it !== one) : [...set, one]);
  const cast = trace.casts.find(({ member }) => member === screen);
  return (
    <>
      <Header
        {...{ trace, range, typed, theme, search }}
        onType={setTyped}
        onTheme={setTheme}
        onClear={() => setRange(undefined)}
        onHelp={() => setHelp(true)}
        hidden={hidden}
        onMember={(name) => setHidden(toggle(hidden, name))}
      />
      <main>
        <div class="time-part">
          <Lanes
            {...{ trace, view, range, hidden, theme }}
            selected={event}
            onView={show}
            onRange={limitRange}
            onSelect={select}
          />
          <LinksPlot {...{ trace, view, range, hidden, theme }} onRange={limitRange} />
        </div>
        <div class="bar">
          <div role="tablist" aria-label="Lists">
            {TABS.map((name) => (
              <button
                key={name}
                type="button"
                role="tab"
                aria-selected={name === tab}
                onClick={() => setTab(name)}
              >
                {name} <small>{countText(counts[name])}</small>
              </button>
            ))}
          </div>
          <div class="chips" role="group" aria-label="What is shown">
            {tab === "Events" &&
              KIND_NAMES.filter((name) => kindCounts.has(name)).map((name) => (
                <Chip
                  key={name}
                  name={name}
                  isOn={kinds.has(name)}
                  onToggle={() => setKinds(toggle(kinds, name))}
                />
              ))}
            {tab === "Consoles" &&
              ["", ...trace.casts.map(({ member }) => member)].map((name) => (
                <Chip
                  key={name}
                  name={name === "" ? "lines" : `screen of ${name}`}
                  isOn={name === screen}
                  isChoice
                  onToggle={() => setScreen(name)}
                />
              ))}
          </div>
        </div>
        <div class="panel" role="tabpanel" aria-label={tab}>
          {tab === "Events" && <EventTable {...{ trace, events }} selected={event} onSelect={select} />}
          {tab === "Packets" && (
            <PacketTable
              {...{ trace, packets }}
              selected={packet}
              onSelect={(one) => setSelection({ what: "packet", packet: one })}
            />
          )}
          {tab === "Space-time" && (
            <SpaceTime
              {...{ trace, packets }}
              selected={packet}
              onSelect={(one) => setSelection({ what: "packet", packet: one })}
            />
          )}
          {tab === "Consoles" && (cast ? <ConsoleScreen {...{ cast, range, theme }} /> : (
            <LineTable
              {...{ trace, lines }}
              selected={selection?.what === "line" ? selection.line : undefined}
              onSelect={(line) => setSelection({ what: "line", line })}
            />
          ))}
        </div>
      </main>
      <Details {...{ trace, selection }} onRange={limitRange} />
      {isHelp && <Help onClose={() => setHelp(false)} />}
    </>
  );
}

const KEYS = [
  ["/", "search in everything"],
  ["drag", "choose a range, which filters everything"],
  ["Esc", "clear the range, then the zoom, then the selection"],
  ["+ −", "zoom in (into the range) and out; also the wheel"],
  ["0", "show all of the time"],
  ["← →", "in the lanes: the event before and after; with Shift: move the time"],
  ["↑ ↓ Home End", "in a list: from row to row"],
  ["1 2 3 4", "events, packets, space-time, consoles"],
  ["t", "light or dark"],
  ["Tab", "the next part of the page"],
] as const;

function Help({ onClose }: { onClose(): void }) {
  const close = useRef<HTMLButtonElement>(null);
  useEffect(() => close.current!.focus(), []);
  return (
    <div class="cover" onClick={onClose}>
      <div class="help" role="dialog" aria-modal="true" aria-label="Keys" onClick={(event) => event.stopPropagation()}>
        <h2>Keys</h2>
        <dl>
          {KEYS.map(([key, does]) => [
            <dt key={key}>
              <kbd>{key}</kbd>
            </dt>,
            <dd key={does}>{does}</dd>,
          ])}
        </dl>
        <button type="button" ref={close} onClick={onClose}>Close</button>
      </div>
    </div>
  );
}
