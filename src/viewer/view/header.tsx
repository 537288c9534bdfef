/** The line at the top: what this is, the range, the search, the theme. */

import type { RefObject } from "preact";
import type { Live, Trace } from "../data/model.ts";
import type { Theme } from "./app.tsx";
import { Chip } from "./chip.tsx";
import type { Range } from "./filter.ts";
import { clockText, spanText, timeText } from "./words.ts";

interface Props {
  trace: Trace;
  live: Live | undefined;
  /** Whether the lanes go on with the time. */
  isFollowing: boolean;
  onLive(): void;
  range: Range | undefined;
  typed: string;
  theme: Theme;
  search: RefObject<HTMLInputElement | null>;
  onType(typed: string): void;
  onTheme(theme: Theme): void;
  onClear(): void;
  onHelp(): void;
  hidden: ReadonlySet<string>;
  onMember(name: string): void;
}

const STATUS: Record<Live["status"], string> = {
  connecting: "connecting",
  live: "live",
  lost: "connection lost, trying again",
  ended: "the command has ended",
};

export function Header(props: Props) {
  const {
    trace,
    range,
    typed,
    theme,
    search,
    hidden,
    onType,
    onTheme,
    onClear,
    onHelp,
    onMember,
    live,
    isFollowing,
    onLive,
  } = props;
  const { meta } = trace;
  const other: Theme = theme === "dark" ? "light" : "dark";
  return (
    <header>
      <h1 title={meta.id}>{meta.group || "trace"}</h1>
      {live && <span class={`badge ${live.status}`} role="status" title={live.why}>{STATUS[live.status]}</span>}
      {live && !isFollowing && live.status === "live" && (
        <button type="button" onClick={onLive} aria-label="Go back to live">
          Now <kbd>l</kbd>
        </button>
      )}
      <span class="dim">
        {[
          timeText(meta.started).slice(0, 19).replace("T", " "),
          spanText(trace.end - trace.start),
        ].join(" · ")}
      </span>
      {meta.test && <span class="badge bad" title={meta.test.name}>{meta.test.name}</span>}
      {trace.notices.length > 0 && <span class="badge" title={trace.notices.join("\n")}>incomplete</span>}
      <span class="space" />
      <div class="chips" role="group" aria-label="Members that are shown">
        {[...trace.members.map(({ name }) => name), "gateway"].map((name) => (
          <Chip
            key={name}
            name={name}
            isOn={!hidden.has(name)}
            onToggle={() => onMember(name)}
          />
        ))}
      </div>
      {range && (
        <button type="button" class="range" onClick={onClear} aria-label="Clear the range">
          {clockText(range[0] - trace.start)} – {clockText(range[1] - trace.start)}{" "}
          <small>{spanText(range[1] - range[0])}</small> ✕
        </button>
      )}
      <input
        ref={search}
        type="search"
        placeholder="Search   /"
        aria-label="Search in everything"
        value={typed}
        spellcheck={false}
        onInput={(event) => onType(event.currentTarget.value)}
      />
      <button type="button" onClick={() => onTheme(other)} aria-label={`Use the ${other} theme`}>
        {theme === "dark" ? "Light" : "Dark"}
      </button>
      <button type="button" onClick={onHelp} aria-label="Keys">?</button>
    </header>
  );
}
