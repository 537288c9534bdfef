/**
 * Shows a command's progress: live lines on a terminal, a line per change elsewhere, JSON events with `--json`.
 *
 * {@link frame}, which is pure, computes the lines; `live_lines.ts` draws them.
 */

import type { Progress as ClientProgress } from "../../control/progress.ts";
import type { Detail, MemberReport, OutputEvent } from "../../wire.ts";
import { clip } from "../../core/bytes.ts";
import { type Colour, type Paint, paintFor } from "./colour.ts";
import { elapsedText } from "../arguments/duration.ts";
import { bar, transferText } from "./meter.ts";
import { shellQuote } from "../../core/quoting.ts";
import { LiveLines, type Size } from "./live_lines.ts";
import { errorWidth, isLive, say, sayJson, terminalSize, warn, write } from "./output.ts";
import { wrapText } from "./wrap.ts";

/** How commands show their work. A `detail` is shown with --verbose only. */
export interface Progress extends ClientProgress {
  /** A member that was to be stopped does not run. */
  notRunning(name: string): void;
  /** Removes the live lines, or with `keep` those that are not done. Calling it twice is fine. */
  end(options?: { keep?: boolean }): void;
}

/** A member's phase in a word or two, and its colour. */
interface Phase {
  text: string;
  colour?: Colour;
  /** Whether it is done. */
  done: boolean;
  /** How it was started, when that was no boot; shown after the time that it took. */
  how?: "warm";
}

export function phaseOf(report: Pick<MemberReport, "state" | "stage" | "download" | "warm">): Phase {
  if (report.stage === "stopping") return { text: "stopping", colour: "yellow", done: false };
  switch (report.state) {
    case "downloading":
      return { text: downloadText(report.download), colour: "yellow", done: false };
    case "starting":
      return { text: report.stage ?? "starting", colour: "yellow", done: false };
    case "running":
      return { text: "running", colour: "green", done: true, ...(report.warm && { how: "warm" }) };
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
  /** The time of its end. */
  endedMs?: number;
}

/** The live lines, each narrower than the terminal and no more than it has rows. */
export function frame(rows: readonly Row[], nowMs: number, size: Size, paint: Paint): string[] {
  const { shown, hidden } = fitting(rows, Math.max(1, size.rows - 1));
  const room = Math.max(1, size.columns - 1);
  const longest = Math.max(...rows.map(({ name }) => name.length), 1);
  const nameWidth = Math.min(longest, Math.max(6, Math.floor(room / 2)));
  const phaseWidth = Math.max(...rows.map(({ phase }) => phase.text.length), 8);
  const lines = shown.map(({ name, phase, startedMs, endedMs }) => {
    const time = timeText((endedMs ?? nowMs) - startedMs, phase);
    const before = `${clip(name, nameWidth).padEnd(nameWidth)}  `;
    const phaseRoom = Math.max(0, room - before.length - time.length - 2);
    const text = clip(phase.text, phaseRoom).padEnd(Math.min(phaseRoom, phaseWidth));
    const line = `${before}${paint(phase.colour, text)}  ${paint("dim", time)}`;
    return phaseRoom > 0 ? line : clip(`${name} ${phase.text}`, room);
  });
  return hidden.length === 0 ? lines : [...lines, paint("dim", clip(moreText(hidden), room))];
}

/** `0.4 s, warm` */
function timeText(ms: number, { how }: Phase): string {
  return [elapsedText(ms), ...(how ? [how] : [])].join(", ");
}

/** The members that fit into a window, in their order; unfinished and failed ones come before finished ones. */
function fitting(rows: readonly Row[], room: number): { shown: Row[]; hidden: Row[] } {
  if (rows.length <= room) return { shown: [...rows], hidden: [] };
  const isNews = ({ phase }: Row) => !phase.done || phase.colour === "red";
  const ranked = [...rows.filter(isNews), ...rows.filter((row) => !isNews(row))];
  const shown = new Set(ranked.slice(0, room - 1));
  return { shown: rows.filter((row) => shown.has(row)), hidden: rows.filter((row) => !shown.has(row)) };
}

/** `and 12 more: 8 running, 4 kernel`. */
function moreText(hidden: readonly Row[]): string {
  const counts = new Map<string, number>();
  for (const { phase } of hidden) {
    const word = phase.text.split(" ")[0];
    counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  const told = [...counts].sort(([, a], [, b]) => b - a).map(([word, count]) => `${count} ${word}`);
  return `and ${hidden.length} more: ${told.join(", ")}`;
}

/** The description of `--verbose` for the help. */
export const VERBOSE = "show each step, and the hypervisor's command line, ready to paste";

/** The progress for this output. `names`: the members to show, in order. */
export function progressFor(names: readonly string[], options: { json?: boolean; verbose?: boolean } = {}): Progress {
  const { json, verbose = false } = options;
  if (json) return new JsonProgress(verbose);
  return isLive() ? new LiveProgress(names, verbose) : new LineProgress(verbose);
}

/** A step as text. A command line has a line of its own, so that it can be pasted into a shell. */
function detailText(detail: Detail | string): string {
  if (typeof detail === "string") return detail;
  const { name, message, command } = detail;
  return command ? `${name}: ${message}:\n${command.map(shellQuote).join(" ")}` : `${name}: ${message}`;
}

/** A step that several streams report is shown once. */
class Told {
  #told = new Set<string>();

  constructor(private readonly isVerbose: boolean) {}

  isNew(detail: Detail | string): boolean {
    const key = JSON.stringify(detail);
    if (!this.isVerbose || this.#told.has(key)) return false;
    this.#told.add(key);
    return true;
  }
}

class JsonProgress implements Progress {
  #last = new Map<string, string>();
  readonly #told: Told;

  constructor(isVerbose: boolean) {
    this.#told = new Told(isVerbose);
  }

  member(member: MemberReport): void {
    const line = JSON.stringify({ event: "member", member });
    if (this.#last.get(member.name) === line) return; // several streams may report the same change
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
  detail(detail: Detail | string): void {
    if (!this.#told.isNew(detail)) return;
    sayJson(typeof detail === "string" ? { event: "detail", message: detail } : detail);
  }
  output(line: OutputEvent): void {
    sayJson(line);
  }
  end(): void {}
}

class LineProgress implements Progress {
  #last = new Map<string, string>();
  #started = performance.now();
  #downloadMs = -Infinity;
  readonly #told: Told;

  constructor(isVerbose: boolean) {
    this.#told = new Told(isVerbose);
  }

  member(report: MemberReport): void {
    const phase = phaseOf(report);
    const { text, done } = phase;
    const before = this.#last.get(report.name);
    this.#last.set(report.name, text);
    if (report.state === "downloading" && report.download) {
      if (this.#isDue()) say(`${report.name}: downloading  ${transferText(report.download)}`);
      return;
    }
    if (before === text || (before === undefined && done)) return;
    say(`${report.name}: ${text}${done ? ` (${timeText(performance.now() - this.#started, phase)})` : ""}`);
  }
  already(name: string): void {
    say(`${name} is already running`);
  }
  notRunning(name: string): void {
    say(`${name} is not running`);
  }
  note(message: string): void {
    warn(wrapText(message, errorWidth() ?? Infinity));
  }
  detail(detail: Detail | string): void {
    if (this.#told.isNew(detail)) warn(detailText(detail));
  }
  output({ name, line }: OutputEvent): void {
    say(`${name} | ${line}`);
  }
  end(): void {}

  #isDue(): boolean {
    const now = performance.now();
    if (now - this.#downloadMs < DOWNLOAD_EVERY_MS) return false;
    this.#downloadMs = now;
    return true;
  }
}

/** How often a download's progress is printed, one line for all members that wait for it. */
const DOWNLOAD_EVERY_MS = 5_000;
const BAR_COLUMNS = 20;
const REDRAW_MS = 100;

/** Lines that are updated in place. Code that ends the program calls {@link end} first, to restore the cursor. */
class LiveProgress implements Progress {
  #rows: Row[];
  #paint = paintFor();
  #lines = new LiveLines(write, terminalSize);
  #timer: ReturnType<typeof setInterval> | undefined;

  readonly #told: Told;

  constructor(names: readonly string[], isVerbose: boolean) {
    this.#told = new Told(isVerbose);
    const startedMs = performance.now();
    this.#rows = names.map((name) => ({ name, phase: { text: "…", done: false }, startedMs }));
    this.#timer = setInterval(() => this.#redraw(), REDRAW_MS);
    this.#redraw();
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
    this.#above(wrapText(message, terminalSize().columns));
  }
  output({ name, line }: OutputEvent): void {
    const width = Math.max(...this.#rows.map((row) => row.name.length), 1);
    this.#above(`${name.padEnd(width)} | ${line}`);
  }
  detail(detail: Detail | string): void {
    if (this.#told.isNew(detail)) this.#above(detailText(detail)); // not broken: it may be a command line
  }
  end(options: { keep?: boolean } = {}): void {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#lines.end();
    const done = this.#rows.filter(({ phase }) => phase.done);
    if (options.keep) frame(done, performance.now(), { ...terminalSize(), rows: Infinity }, this.#paint).forEach(say);
  }

  #above(text: string): void {
    if (this.#timer === undefined) say(text);
    else this.#redraw(text);
  }

  #redraw(above?: string): void {
    this.#lines.draw(frame(this.#rows, performance.now(), terminalSize(), this.#paint), above);
  }
}
