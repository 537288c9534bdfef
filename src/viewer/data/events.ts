/** The lines of `events.ndjson` as events that say in one line what happened. */

import { printable } from "../../core/printable.ts";
import { number, record, text, texts, type TraceEvent } from "./model.ts";

/** Reads lines of JSON; what is no event (the last line of a recorder that was killed) is left out. */
export function readEvents(content: string): TraceEvent[] {
  const end = content.lastIndexOf("\n");
  const lines = content.slice(0, end < 0 ? 0 : end).trimEnd();
  const rest = content.slice(end + 1);
  return [...parseAll(lines), ...parseAll(rest)].flatMap((value) => eventOf(value) ?? []);
}

/** One line, parsed; undefined: it is no event. */
export function eventOf(value: unknown): TraceEvent | undefined {
  return EventLine.of(record(value));
}

/** All lines at once, which takes a third of the time; one by one where one is damaged. */
function parseAll(lines: string): unknown[] {
  if (lines === "") return [];
  try {
    return JSON.parse(`[${lines.replaceAll("\n", ",")}]`);
  } catch {
    return lines.split("\n").flatMap((line) => {
      try {
        return [JSON.parse(line)];
      } catch {
        return [];
      }
    });
  }
}

class EventLine implements TraceEvent {
  index = 0;
  at: number;
  until: number | undefined;
  members: string[];
  #words: { text: string; isBad: boolean } | undefined;
  #text: string | undefined;

  constructor(readonly kind: string, at: number, readonly raw: Record<string, unknown>) {
    const lasts = kind === "command" ? number(raw.duration_ms) : undefined;
    // A command is told of when it ends; it is shown where it began.
    this.at = at - (lasts ?? 0);
    this.until = lasts === undefined ? undefined : at;
    this.members = membersOf(kind, raw);
  }

  static of(raw: Record<string, unknown>): EventLine | undefined {
    const at = Date.parse(text(raw.at)), kind = text(raw.event);
    return Number.isNaN(at) || kind === "" ? undefined : new EventLine(kind, at, raw);
  }

  // In words when they are asked for: most are never shown.
  get #said(): { text: string; isBad: boolean } {
    return this.#words ??= wordsOf(this.kind, this.raw);
  }

  get text(): string {
    return this.#text ??= printable(this.#said.text).replaceAll("\n", " ");
  }

  get isBad(): boolean {
    return this.#said.isBad;
  }
}

function membersOf(kind: string, raw: Record<string, unknown>): string[] {
  if (kind === "link") return [text(raw.from), text(raw.to)];
  const name = text(raw.name);
  const isMember = !["checkpoint", "fork", "restore", "suspend"].includes(kind);
  return [...new Set([...(isMember && name ? [name] : []), ...texts(raw.members)])];
}

function wordsOf(kind: string, raw: Record<string, unknown>): { text: string; isBad: boolean } {
  const its = (key: string) => text(raw[key]);
  const good = (says: string) => ({ text: says, isBad: false });
  switch (kind) {
    case "state": {
      const why = [its("stage"), its("reason")].filter(Boolean).join(": ");
      return { text: `${its("state")}${why && ` (${why})`}`, isBad: its("state") === "error" };
    }
    case "fault-began":
      return good(`${its("what") || its("kind")} [${its("id")}]`);
    case "fault-ended":
      return good(`${its("what") || its("kind")} [${its("id")}]${countsText(raw.counts)}`);
    case "command":
    case "command-began": {
      const code = number(raw.code), signal = its("signal");
      const end = signal ? ` → ${signal}` : code === undefined ? "" : code === 0 ? "" : ` → ${code}`;
      const why = its("error") && ` → ${its("error")}`;
      return { text: `${texts(raw.argv).join(" ")}${end}${why}`, isBad: Boolean(signal || code || why) };
    }
    case "checkpoint":
    case "fork":
    case "restore":
    case "suspend": {
      const paused = number(raw.paused_ms);
      return good(`${its("name")}${paused === undefined ? "" : `, paused for ${paused} ms`}`);
    }
    case "mark":
      return good(its("text"));
    case "notice":
      return good(its("message"));
    case "holder":
      return good(`${its("what")}, process ${number(raw.pid) ?? "?"}`);
    case "clock":
      return good(`${offsetText(number(raw.offset_ms) ?? 0)} to the host`);
    case "test-began":
      return good(its("test"));
    case "test-ended":
      return {
        text: `${its("test")}: ${raw.ok === false ? `failed: ${its("error")}` : "passed"}`,
        isBad: raw.ok === false,
      };
    case "link":
      return good(
        `${its("from")} → ${its("to")}: ${number(raw.frames) ?? 0} frames${countsText(raw.dropped, " dropped")}` +
          (number(raw.missed) ? `, and ${number(raw.missed)} of its sender were only counted` : ""),
      );
    case "cut":
      return { text: `${its("file")}: ${number(raw.bytes) ?? 0} bytes were lost (${its("why")})`, isBad: true };
    default:
      return good(
        Object.entries(raw).filter(([key]) => key !== "at" && key !== "event")
          .map(([key, value]) => `${key} ${typeof value === "string" ? value : JSON.stringify(value)}`).join(", "),
      );
  }
}

function countsText(counts: unknown, after = ""): string {
  const all = Object.entries(record(counts)).filter(([, count]) => number(count));
  return all.length === 0 ? "" : `, ${all.map(([name, count]) => `${count} ${name}`).join(", ")}${after}`;
}

/** `+3.2 s` */
export function offsetText(ms: number): string {
  const sign = ms < 0 ? "−" : "+", size = Math.abs(ms);
  return size < 1000 ? `${sign}${Math.round(size)} ms` : `${sign}${(size / 1000).toFixed(1)} s`;
}
