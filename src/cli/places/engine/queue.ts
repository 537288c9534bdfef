/** How a job that waits in a queue is shown: as members' states are, with the engine's reason. */

import { listed } from "../../../core/names.ts";
import { paintFor } from "../../terminal/colour.ts";
import { LiveLines } from "../../terminal/live_lines.ts";
import { isLive, say, sayJson, terminalSize, write } from "../../terminal/output.ts";
import { frame } from "../../terminal/progress.ts";

const REDRAW_MS = 100;

export class QueueProgress implements Disposable {
  readonly #startedMs = performance.now();
  #lines: LiveLines | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;
  #told = "";
  #text = "submitting";

  constructor(private readonly members: readonly string[], private readonly json: boolean) {
    if (json || !isLive()) return;
    this.#lines = new LiveLines(write, terminalSize);
    this.#timer = setInterval(() => this.#draw(), REDRAW_MS);
    this.#draw();
  }

  queued(id: string, reason: string | undefined): void {
    this.#text = `queued${reason ? ` (${reason})` : ""}`;
    const told = `${id} ${this.#text}`;
    if (told === this.#told) return;
    this.#told = told;
    if (this.json) sayJson({ event: "queued", job: id, members: this.members, ...(reason && { reason }) });
    else if (!this.#lines) say(`${listed(this.members)}: ${this.#text}, job ${id}`);
    this.#draw();
  }

  #draw(): void {
    const phase = { text: this.#text, colour: "yellow" as const, done: false };
    const rows = this.members.map((name) => ({ name, phase, startedMs: this.#startedMs }));
    this.#lines?.draw(frame(rows, performance.now(), terminalSize(), paintFor()));
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#lines?.end();
    this.#lines = undefined;
  }
}
