/**
 * How a command shows what happens while it waits: live lines on a terminal, a line per change elsewhere, JSON events
 * with `--json`.
 *
 * What is drawn is computed by {@link frame}, which is pure; `log-update` draws it. It is loaded while the members
 * boot, because loading it takes longer than asking the holder.
 */

import type { MemberReport } from "../wire.ts";
import { clip } from "../wire.ts";
import { type Colour, type Paint, paintFor } from "./colour.ts";
import { elapsedText } from "./duration.ts";
import { bar, transferText } from "./meter.ts";
import { isLive, say, sayJson, terminalWidth, warn, write } from "./output.ts";

export interface Progress {
  /** A member changed. */
  member(report: MemberReport): void;
  /** A member that was to be brought up, and runs. */
  already(name: string): void;
  /** A member that was to be stopped, and does not run. */
  notRunning(name: string): void;
  /** One line for people. */
  note(message: string): void;
  /** Takes the live lines away, or with `keep` leaves those that are done standing. Twice is fine. */
  end(options?: { keep?: boolean }): void;
}

/** What a member does, in a word or two, and how it looks. */
export interface Phase {
  text: string;
  colour?: Colour;
  /** Whether nothing more is expected to happen. */
  done: boolean;
}

export function phaseOf(report: Pick<MemberReport, "state" | "stage" | "download">): Phase {
  if (report.stage === "stopping") return { text: "stopping", colour: "yellow", done: false };
  switch (report.state) {
    case "downloading":
      return { text: downloadText(report.download), colour: "yellow", done: false };
    case "starting":
      return { text: report.stage ?? "starting", colour: "yellow", done: false };
    case "running":
      return { text: "running", colour: "green", done: true };
    case "stopped":
      return { text: "stopped", done: true };
    case "error":
      return { text: "failed", colour: "red", done: true };
  }
}

function downloadText(download: MemberReport["download"]): string {
  if (!download) return "image (downloading)";
  const { bytes, total } = download;
  return `downloading${total ? ` ${bar(bytes, total, BAR_COLUMNS)}` : ""} ${transferText(download)}`;
}

/** One live line, as data. */
export interface Row {
  name: string;
  phase: Phase;
  startedMs: number;
  /** When it was done. */
  endedMs?: number;
}

/** The live lines, each narrower than the terminal. */
export function frame(rows: readonly Row[], nowMs: number, width: number, paint: Paint): string[] {
  const room = Math.max(1, width - 1);
  const longest = Math.max(...rows.map(({ name }) => name.length), 1);
  const nameWidth = Math.min(longest, Math.max(6, Math.floor(room / 2)));
  const phaseWidth = Math.max(...rows.map(({ phase }) => phase.text.length), 8);
  return rows.map(({ name, phase, startedMs, endedMs }) => {
    const time = elapsedText((endedMs ?? nowMs) - startedMs);
    const before = `${clip(name, nameWidth).padEnd(nameWidth)}  `;
    const phaseRoom = Math.max(0, room - before.length - time.length - 2);
    const text = clip(phase.text, phaseRoom).padEnd(Math.min(phaseRoom, phaseWidth));
    const line = `${before}${paint(phase.colour, text)}  ${paint("dim", time)}`;
    return phaseRoom > 0 ? line : clip(`${name} ${phase.text}`, room);
  });
}

/** What suits the output. `names`: the members to be shown, in order. */
export function progressFor(names: readonly string[], options: { json?: boolean } = {}): Progress {
  if (options.json) return new JsonProgress();
  return isLive() ? new LiveProgress(names) : new LineProgress();
}

class JsonProgress implements Progress {
  #last = new Map<string, string>();

  member(member: MemberReport): void {
    const line = JSON.stringify({ event: "member", member });
    if (this.#last.get(member.name) === line) return; // several streams may tell of the same change
    this.#last.set(member.name, line);
    say(line);
  }
  already(name: string): void {
    this.note(`${name} is already running`);
  }
  notRunning(name: string): void {
    this.note(`${name} is not running`);
  }
  note(message: string): void {
    sayJson({ event: "note", message });
  }
  end(): void {}
}

class LineProgress implements Progress {
  #last = new Map<string, string>();
  #started = performance.now();
  #downloadMs = -Infinity;

  member(report: MemberReport): void {
    const { text, done } = phaseOf(report);
    const before = this.#last.get(report.name);
    this.#last.set(report.name, text);
    if (report.state === "downloading" && report.download) {
      if (this.#isDue()) say(`${report.name}: downloading  ${transferText(report.download)}`);
      return;
    }
    if (before === text || (before === undefined && done)) return;
    say(`${report.name}: ${text}${done ? ` (${elapsedText(performance.now() - this.#started)})` : ""}`);
  }
  already(name: string): void {
    say(`${name} is already running`);
  }
  notRunning(name: string): void {
    say(`${name} is not running`);
  }
  note(message: string): void {
    warn(message);
  }
  end(): void {}

  #isDue(): boolean {
    const now = performance.now();
    if (now - this.#downloadMs < DOWNLOAD_EVERY_MS) return false;
    this.#downloadMs = now;
    return true;
  }
}

/** How often a download is told of, one line for all the members that wait for it. */
const DOWNLOAD_EVERY_MS = 5_000;
const BAR_COLUMNS = 20;
const REDRAW_MS = 100;
const HIDE_CURSOR = "\x1b[?25l";
const SHOW_CURSOR = "\x1b[?25h";

/** Lines that are drawn over. Whoever ends the program calls {@link end} first, for the cursor's sake. */
class LiveProgress implements Progress {
  #rows: Row[];
  #paint = paintFor();
  #draw: Drawing | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;
  #ended = false;

  constructor(names: readonly string[]) {
    const startedMs = performance.now();
    this.#rows = names.map((name) => ({ name, phase: { text: "…", done: false }, startedMs }));
    void this.#load();
  }

  member(report: MemberReport): void {
    const row = this.#rows.find(({ name }) => name === report.name);
    if (!row) return;
    row.phase = phaseOf(report);
    row.endedMs = row.phase.done ? row.endedMs ?? performance.now() : undefined;
  }
  already(name: string): void {
    this.note(`${name} is already running`);
  }
  notRunning(name: string): void {
    this.#rows = this.#rows.filter((row) => row.name !== name);
    this.note(`${name} is not running`);
  }
  note(message: string): void {
    this.#draw?.clear();
    say(message);
    this.#redraw();
  }
  end(options: { keep?: boolean } = {}): void {
    if (this.#ended) return;
    this.#ended = true;
    clearInterval(this.#timer);
    this.#draw?.clear();
    if (options.keep) this.#lines(this.#rows.filter(({ phase }) => phase.done)).forEach(say);
    if (this.#draw) write(SHOW_CURSOR);
  }

  async #load(): Promise<void> {
    const { createLogUpdate } = await import("log-update");
    if (this.#ended) return;
    // The cursor is ours: log-update's own way of hiding it takes the process's signals over.
    this.#draw = createLogUpdate(new Terminal() as never, { showCursor: true });
    write(HIDE_CURSOR);
    this.#redraw();
    this.#timer = setInterval(() => this.#redraw(), REDRAW_MS);
  }

  #redraw(): void {
    if (!this.#ended) this.#draw?.(this.#lines(this.#rows).join("\n"));
  }

  #lines(rows: readonly Row[]): string[] {
    return frame(rows, performance.now(), terminalWidth() ?? 80, this.#paint);
  }
}

type Drawing = ReturnType<typeof import("log-update").createLogUpdate>;

/** Standard output as log-update wants it: a stream that knows its size. */
class Terminal {
  readonly isTTY = true;
  get columns(): number {
    return terminalWidth() ?? 80;
  }
  get rows(): number {
    try {
      return Deno.consoleSize().rows;
    } catch {
      return 24;
    }
  }
  write(text: string): boolean {
    write(text);
    return true;
  }
}
