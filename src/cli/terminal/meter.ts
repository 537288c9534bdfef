/**
 * A transfer's progress, in words and as a bar: bytes, rate, time left. Pure, except for {@link Meter}, which shows it.
 */

import { elapsedText } from "../arguments/duration.ts";
import { isLive, say, sayJson, terminalWidth, warn, write } from "./output.ts";
import { bytesText } from "../arguments/sizes.ts";

/** The progress. `total`: if known; `rate`: bytes a second. */
interface Transfer {
  step?: "downloading" | "verifying" | "unpacking";
  bytes: number;
  total?: number;
  rate: number;
}

/** `34%  102M of 300M  5.1M/s  38.0 s left`; unknown parts are left out. */
export function transferText({ step, bytes, total, rate }: Transfer): string {
  if (step && step !== "downloading") return step;
  const left = total !== undefined && rate > 0 && bytes < total ? ((total - bytes) / rate) * 1000 : undefined;
  return [
    ...(total ? [`${percent(bytes, total)}%`] : []),
    total === undefined ? bytesText(bytes) : `${bytesText(bytes)} of ${bytesText(total)}`,
    ...(rate > 0 ? [`${bytesText(rate)}/s`] : []),
    ...(left === undefined ? [] : [`${elapsedText(left)} left`]),
  ].join("  ");
}

/** `[=====>    ]`, `width` columns wide. */
export function bar(bytes: number, total: number, width: number): string {
  const room = Math.max(1, width - 2);
  const full = Math.min(room, Math.floor((bytes / Math.max(1, total)) * room));
  return `[${"=".repeat(full)}${full < room ? ">" : ""}${" ".repeat(Math.max(0, room - full - 1))}]`;
}

function percent(bytes: number, total: number): number {
  return Math.min(100, Math.floor((bytes / total) * 100));
}

/** On a terminal the line is drawn over this often, elsewhere a line is printed. */
const LIVE_MS = 100;
const LINE_MS = 5_000;
/** How often a step's time is drawn. */
const TICK_MS = 1_000;
const BAR_COLUMNS = 24;
/** The shortest bar; where there is no space for it, the numbers stand alone. */
const MIN_BAR_COLUMNS = 8;

/** Shows one transfer, or the steps of other work, while it runs. */
export class Meter {
  readonly #isLive: boolean;
  #shownMs = -Infinity;
  #lastStep = "";
  #drawn = false;
  #ticks: ReturnType<typeof setInterval> | undefined;
  readonly #started = performance.now();

  constructor(private readonly title: string, private readonly isJson: boolean) {
    this.#isLive = !isJson && isLive();
  }

  /** Reports a transfer's progress. May be called at any rate. */
  transfer(transfer: Transfer): void {
    const { step = "downloading", bytes, total } = transfer;
    if (!this.#isDue(step)) return;
    if (this.isJson) return sayJson({ event: "download", image: this.title, ...transfer });
    const text = transferText(transfer);
    const room = (terminalWidth() ?? 80) - `${this.title}: ${text} `.length - 1;
    const hasBar = this.#isLive && step === "downloading" && total !== undefined && room >= MIN_BAR_COLUMNS;
    const shown = hasBar ? `${bar(bytes, total, Math.min(BAR_COLUMNS, room))} ${text}` : text;
    this.#show(`${this.title}: ${step === "downloading" && !this.#isLive ? "downloading  " : ""}${shown}`);
  }

  /** Reports a new step. On a terminal its line has the time since the beginning, which goes on. */
  step(step: string): void {
    if (step === this.#lastStep) return;
    this.#lastStep = step;
    if (this.isJson) return sayJson({ event: "step", image: this.title, step });
    const show = () => this.#show(`${this.title}: ${step} (${elapsedText(performance.now() - this.#started)})`);
    show();
    if (!this.#isLive) return;
    clearInterval(this.#ticks);
    this.#ticks = setInterval(show, TICK_MS);
  }

  /** Shows a line that a script says. */
  output(script: string, line: string): void {
    if (this.isJson) return sayJson({ event: "output", name: this.title, script, line });
    this.#clear();
    say(`${this.title} | ${line}`);
  }

  /** Shows what a user should know besides. */
  note(message: string): void {
    if (this.isJson) return sayJson({ event: "note", message });
    this.#clear();
    warn(message);
  }

  /** Removes the live line. Calling it twice is fine. */
  end(): void {
    clearInterval(this.#ticks);
    this.#clear();
  }

  #clear(): void {
    if (this.#drawn) write("\r\x1b[K");
    this.#drawn = false;
  }

  #isDue(step: string): boolean {
    const now = performance.now();
    if (step === this.#lastStep && now - this.#shownMs < (this.#isLive ? LIVE_MS : LINE_MS)) return false;
    this.#lastStep = step;
    this.#shownMs = now;
    return true;
  }

  #show(line: string): void {
    if (!this.#isLive) return say(line);
    write(`\r\x1b[K${line.slice(0, Math.max(1, (terminalWidth() ?? 80) - 1))}`);
    this.#drawn = true;
  }
}
