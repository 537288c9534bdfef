/**
 * A group that runs, as `fleetbox view` serves it: reads the server's stream, tells the trace as it grows, and asks the server to
 * run commands and to type into consoles.
 */

import { LiveTrace, ranOf } from "./live_trace.ts";
import { type Live, type Ran, record, text, type Trace, type TraceSource } from "./model.ts";

/** The trace is told again at most so often. */
const TELL_MS = 250;
/** The first wait before the stream is opened again, and the longest; the command has ended when it is refused so often. */
const AGAIN_MS = 250, MOST_AGAIN_MS = 4000, MOST_REFUSED = 6;
/** What is typed, or pasted, in one request; the server takes twice as much. */
const MOST_TYPED = 32 * 1024;
/** Of what was run. */
const MOST_RAN = 200;

type End = "broken" | "refused" | "over";

interface Outside {
  /** Of the address that the command has printed. */
  token: string;
  fetch: typeof fetch;
  wait(ms: number): Promise<unknown>;
}

export class LiveSource implements TraceSource, Live {
  status: Live["status"] = "connecting";
  why = "";
  #ran = new Map<number, Ran>();
  #problems = 0;
  #trace: LiveTrace | undefined;
  #isTelling = false;
  #tell: (trace: Trace) => void | Promise<void> = () => {};
  /** What is typed while a request is under way, by member. */
  readonly #typed = new Map<string, Uint8Array<ArrayBuffer>[]>();

  constructor(private readonly outside: Outside) {}

  get ran(): readonly Ran[] {
    return [...this.#ran.values()];
  }

  /** Returns when the command has ended. @throws {Error} where nothing was ever told */
  async open(tell: (trace: Trace) => void | Promise<void>): Promise<void> {
    this.#tell = tell;
    for (let refused = 0; refused < MOST_REFUSED;) {
      const end = await this.#read();
      if (end === "over") break;
      refused = end === "refused" ? refused + 1 : 0;
      this.status = "lost";
      this.why = "The connection to fleetbox view is broken; trying again";
      this.#tellNow();
      await this.outside.wait(Math.min(MOST_AGAIN_MS, AGAIN_MS * 2 ** refused));
    }
    if (this.status !== "ended") this.#ended("The command has ended");
    if (!this.#trace) throw new Error(this.why);
    this.#tellNow();
  }

  async run(words: readonly string[]): Promise<void> {
    await this.#post("/run", JSON.stringify({ argv: words }), `fleetbox ${words.join(" ")}`);
  }

  async end(id: number): Promise<void> {
    await this.#post("/end", JSON.stringify({ id }), "end a capture");
  }

  type(member: string, typed: Uint8Array<ArrayBuffer>): void {
    const waiting = this.#typed.get(member);
    if (waiting) return void waiting.push(typed);
    this.#typed.set(member, [typed]);
    void this.#send(member);
  }

  /** One request at a time, so that nothing overtakes. */
  async #send(member: string): Promise<void> {
    const waiting = this.#typed.get(member)!;
    while (waiting.length > 0) {
      const body = new Blob(upTo(waiting, MOST_TYPED));
      if (!await this.#post(`/console/${encodeURIComponent(member)}`, body, `fleetbox console ${member}`)) break;
    }
    this.#typed.delete(member);
  }

  /** @param line what a refusal is told of @returns whether it was taken */
  async #post(path: string, body: BodyInit, line: string): Promise<boolean> {
    let problem: string;
    try {
      const response = await this.outside.fetch(path, { ...this.#options, method: "POST", body });
      problem = (await response.text()).trim();
      if (response.ok) return true;
    } catch {
      problem = "fleetbox view does not answer";
    }
    this.#takeRan({ id: -++this.#problems, line, code: 1, output: problem });
    this.#tellSoon();
    return false;
  }

  get #options(): RequestInit {
    return { cache: "no-store", headers: { authorization: `Bearer ${this.outside.token}` } };
  }

  /** Reads the stream to its end. */
  async #read(): Promise<End> {
    let response: Response;
    try {
      response = await this.outside.fetch("/stream", this.#options);
    } catch {
      return "refused";
    }
    if (response.status === 401 || response.status === 403) {
      this.#ended(
        this.#trace
          ? "The command has ended, and another one is at its address"
          : `Open this page with the whole address that fleetbox view has printed (${(await response.text()).trim()})`,
      );
      return "over";
    }
    if (!response.ok || !response.body) return "refused";
    const trace = new LiveTrace();
    try {
      for await (const line of linesIn(response.body)) if (this.#take(trace, line)) return "over";
    } catch { /* it is opened again */ }
    return "broken";
  }

  /** @returns whether it was the last line */
  #take(trace: LiveTrace, line: string): boolean {
    const message = record(JSON.parse(line));
    if (message.ran !== undefined) this.#takeRan(ranOf(record(message.ran)));
    else if (message.end !== undefined) this.#ended(text(message.end) || "The command has ended");
    else if (message.ready === true) {
      // Until now what was known before is shown: all of it comes again.
      this.#trace = trace;
      this.status = "live";
      this.why = "";
      this.#tellNow();
    } else trace.take(message);
    if (this.#trace === trace) this.#tellSoon();
    return this.status === "ended";
  }

  #takeRan(ran: Ran): void {
    this.#ran.set(ran.id, ran);
    for (const id of this.#ran.keys()) if (this.#ran.size > MOST_RAN) this.#ran.delete(id);
  }

  #ended(why: string): void {
    this.status = "ended";
    this.why = why;
  }

  #tellSoon(): void {
    if (this.#isTelling) return;
    this.#isTelling = true;
    void this.outside.wait(TELL_MS).then(() => {
      this.#isTelling = false;
      this.#tellNow();
    });
  }

  #tellNow(): void {
    if (this.#trace) void this.#tell(this.#trace.tell());
  }
}

/** Takes at most so many bytes from the front. */
function upTo(waiting: Uint8Array<ArrayBuffer>[], most: number): Uint8Array<ArrayBuffer>[] {
  const taken: Uint8Array<ArrayBuffer>[] = [];
  for (let rest = most; rest > 0 && waiting.length > 0;) {
    const next = waiting.shift()!, part = next.subarray(0, rest);
    if (part.length < next.length) waiting.unshift(next.subarray(part.length));
    taken.push(part);
    rest -= part.length;
  }
  return taken;
}

/** The whole lines of a stream. */
async function* linesIn(body: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let parts: string[] = [];
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (let read; !(read = await reader.read()).done;) {
    const lines = read.value.split("\n");
    for (const line of lines.slice(0, -1)) {
      yield parts.join("") + line;
      parts = [];
    }
    parts.push(lines.at(-1)!);
  }
}
