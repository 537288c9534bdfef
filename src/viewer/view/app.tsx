/** The page: its state, its keys, and what is where. */

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Live, Trace, TraceEvent } from "../data/model.ts";
import { lastSecond, pictureOf } from "../data/network.ts";
import { RanList } from "./actions.tsx";
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
import { Help } from "./help.tsx";
import { Network } from "./network.tsx";
import { EventTable, LineTable, PacketTable, SpaceTime } from "./tables.tsx";
import { Chip } from "./chip.tsx";
import { ConsoleScreen } from "./terminal.tsx";
import { countText } from "./words.ts";

export type Theme = "light" | "dark";

const TABS = ["Events", "Packets", "Space-time", "Consoles", "Network"] as const;
/** Of a group that runs. */
const LIVE_TABS = ["Network", "Events", "Packets", "Space-time", "Consoles"] as const;
type Tab = typeof TABS[number];

/** Nothing narrower can be zoomed to, in ms. */
const MIN_VIEW = 0.5;
/** So much of a group that runs is shown at first, and at least that much. */
const FOLLOW_MS = 120_000, LEAST_MS = 10_000;

export function App({ trace, live }: { trace: Trace; live?: Live | undefined }) {
  const whole: Range = [trace.start, live ? Math.max(trace.end, trace.start + LEAST_MS) : trace.end];
  const [still, setView] = useState<Range>(whole);
  /** While the lanes go on with the time: how much of it they show. */
  const [followed, setFollowed] = useState(live && FOLLOW_MS);
  const view: Range = useMemo(
    () => followed === undefined ? still : [Math.max(whole[0], whole[1] - followed), whole[1]],
    [followed, still, ...(followed === undefined ? [0, 0] : whole)],
  );
  const [range, setRange] = useState<Range>();
  const [typed, setTyped] = useState("");
  const [query, setQuery] = useState("");
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  const [kinds, setKinds] = useState<ReadonlySet<KindName>>(() =>
    new Set(KIND_NAMES.filter((name) => name !== "links"))
  );
  const [tab, setTab] = useState<Tab>(live ? "Network" : "Events");
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
  const packets = useMemo(() => shownPackets(trace.packets, filter), [trace.packets, trace.packets.changes, filter]);
  const lines = useMemo(() => shownLines(trace.lines, filter), [trace.lines, filter]);
  const hasKinds = useMemo(() => new Set(trace.events.map(({ kind }) => kindName(kind))), [trace.events]);
  const counts: Partial<Record<Tab, number>> = {
    ...{ Events: events.length, Packets: packets.length, "Space-time": packets.length, Consoles: lines.length },
  };
  const event = selection?.what === "event" ? selection.event : undefined;
  const packet = selection?.what === "packet" ? selection.packet : undefined;
  const isInPicture = selection?.what === "pair" || selection?.what === "place";
  const picture = useMemo(
    () => {
      if (tab !== "Network" && !isInPicture) return undefined;
      const isNow = live !== undefined && range === undefined;
      return pictureOf(trace, range ?? (live ? lastSecond(trace) : whole), hidden, isNow);
    },
    [trace, range, hidden, tab === "Network", isInPicture],
  );
  // The first packets are let go of.
  const gone = useRef(trace.packets.gone);
  if (gone.current !== trace.packets.gone) {
    const left = packet === undefined ? 0 : packet - (trace.packets.gone - gone.current);
    gone.current = trace.packets.gone;
    if (packet !== undefined) setSelection(left >= 0 ? { what: "packet", packet: left } : undefined);
  }

  const show = ([from, to]: Range) => {
    const span = Math.min(Math.max(to - from, MIN_VIEW), whole[1] - whole[0]);
    const start = Math.max(whole[0], Math.min(from, whole[1] - span));
    setView([start, start + span]);
    setFollowed(live && start + span >= whole[1] - 1 ? span : undefined);
  };
  const standStill = () => {
    if (followed === undefined) return;
    setView(view);
    setFollowed(undefined);
  };
  const limitRange = (next: Range | undefined) => {
    if (next) standStill();
    setRange(next && [Math.max(whole[0], next[0]), Math.min(whole[1], next[1])]);
  };
  const goLive = () => {
    setRange(undefined);
    setFollowed(FOLLOW_MS);
  };
  const zoom = (factor: number) => {
    if (followed !== undefined) return setFollowed(Math.max(1000, (view[1] - view[0]) * factor));
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
    "0": () => live ? setFollowed(Infinity) : show(whole),
    ...(live ? { l: goLive } : {}),
    "?": () => setHelp(true),
    t: () => setTheme(theme === "dark" ? "light" : "dark"),
    ...Object.fromEntries(TABS.map((name, index) => [String(index + 1), () => setTab(name)])),
    Escape() {
      if (isHelp) setHelp(false);
      else if (document.activeElement instanceof HTMLInputElement) document.activeElement.blur();
      else if (range) setRange(undefined);
      else if (live ? followed === undefined : view[0] !== whole[0] || view[1] !== whole[1]) {
        live ? goLive() : show(whole);
      } else setSelection(undefined);
    },
  };
  const newest = useRef(keys);
  newest.current = keys;
  useEffect(() => {
    const onKey = (pressed: KeyboardEvent) => {
      if (pressed.ctrlKey || pressed.metaKey || pressed.altKey) return;
      const { target, key } = pressed;
      if (target instanceof HTMLTextAreaElement && live) return; // a console's
      const isTyping = target instanceof HTMLInputElement || target instanceof HTMLSelectElement;
      if (isTyping && key !== "Escape") return;
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
  const follows = live !== undefined && range === undefined;
  const cast = trace.casts.find(({ member }) => member === screen);
  return (
    <>
      <Header
        {...{ trace, live, range, typed, theme, search }}
        isFollowing={followed !== undefined}
        onLive={goLive}
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
            {(live ? LIVE_TABS : TABS).map((name) => (
              <button
                key={name}
                type="button"
                role="tab"
                aria-selected={name === tab}
                onClick={() => setTab(name)}
              >
                {name} {counts[name] !== undefined && <small>{countText(counts[name])}</small>}
              </button>
            ))}
          </div>
          <div class="chips" role="group" aria-label="What is shown">
            {tab === "Events" &&
              KIND_NAMES.filter((name) => hasKinds.has(name)).map((name) => (
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
          {tab === "Events" && <EventTable {...{ trace, events, follows }} selected={event} onSelect={select} />}
          {tab === "Packets" && (
            <PacketTable
              {...{ trace, packets, follows }}
              selected={packet}
              onSelect={(one) => setSelection({ what: "packet", packet: one })}
            />
          )}
          {tab === "Space-time" && (
            <SpaceTime
              {...{ trace, packets, follows }}
              selected={packet}
              onSelect={(one) => setSelection({ what: "packet", packet: one })}
            />
          )}
          {tab === "Network" && (
            <Network
              picture={picture!}
              trace={trace}
              isLast={live !== undefined && range === undefined}
              selection={selection}
              onSelect={setSelection}
            />
          )}
          {tab === "Consoles" && (cast
            ? (
              <ConsoleScreen
                {...{ cast, range, theme }}
                onType={live && live.status !== "ended" ? (typed) => live.type(cast.member, typed) : undefined}
                onLeave={() => document.querySelector<HTMLElement>('[role="tab"][aria-selected="true"]')!.focus()}
              />
            )
            : (
              <LineTable
                {...{ trace, lines, follows }}
                selected={selection?.what === "line" ? selection.line : undefined}
                onSelect={(line) => setSelection({ what: "line", line })}
              />
            ))}
        </div>
      </main>
      <aside>
        <Details
          {...{ trace, live, selection, picture }}
          onRange={limitRange}
          onSelect={select}
          onConsole={(name) => {
            setTab("Consoles");
            setScreen(name);
          }}
        />
        {live && <RanList live={live} />}
      </aside>
      {isHelp && <Help isLive={live !== undefined} onClose={() => setHelp(false)} />}
    </>
  );
}
