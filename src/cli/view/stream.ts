/**
 * What the pages of `fleetbox view` are told: the files of a trace as they grow, and what clicks ran. A page that comes gets all that
 * there is first. One that reads too slowly is cut off, and asks again.
 */

import { joined } from "../../core/bytes.ts";
import type { FileChange } from "../../control/recording/memory_files.ts";

/** A command that a click has run. */
export interface Ran {
  id: number;
  line: string;
  /** Absent: it runs. */
  code?: number;
  /** Of both streams, the last 4,096 characters. */
  output?: string;
}

/** One line of the stream. */
export type Message =
  | { file: string; text: string; whole?: true }
  | { file: string; base64: string }
  | { file: string; gone: true }
  | { file: string; becomes: string }
  | { ready: true }
  | { now: string }
  | { ran: Ran }
  | { end: string };

/** What may wait for a page. */
const MOST_QUEUED = 16 * 1024 * 1024;
/** What is told at once of what was before. */
const PIECE_BYTES = 256 * 1024;

/** How a page is told of a change. */
export function messageOf(change: FileChange): Message {
  const { name: file } = change;
  switch (change.what) {
    case "replaced":
      return { file, text: change.text, whole: true };
    case "appended":
      return file.endsWith(".pcapng")
        ? { file, base64: change.bytes.toBase64() }
        : { file, text: new TextDecoder().decode(change.bytes) };
    case "removed":
      return { file, gone: true };
    case "renamed":
      return { file, becomes: change.to };
  }
}

export class Feed {
  readonly #pages = new Set<Page>();
  #end: Message | undefined;

  /** @param past what a page that comes is told first */
  constructor(private readonly past: () => Iterable<Message>, private readonly mostQueued = MOST_QUEUED) {}

  /** Tells every page; what is told is made only if there is one. */
  tell(make: () => Message): void {
    if (this.#pages.size === 0) return;
    const line = lineOf(make());
    for (const page of this.#pages) page.push(line);
  }

  /** Ends the streams, and those that are opened later. */
  end(why: string): void {
    this.#end = { end: why };
    for (const page of this.#pages) page.finish(lineOf(this.#end));
  }

  /** The stream of a page. */
  open(): ReadableStream<Uint8Array> {
    const page = new Page(this.past(), this.mostQueued, () => this.#pages.delete(page));
    this.#pages.add(page);
    if (this.#end) page.finish(lineOf(this.#end));
    return new ReadableStream({
      async pull(controller) {
        const lines = await page.next();
        if (lines) controller.enqueue(lines);
        else controller.close();
      },
      cancel: () => page.leave(),
    }, { highWaterMark: 0 });
  }
}

class Page {
  readonly #past: Iterator<Message>;
  #isPast = true;
  #queue: Uint8Array[] = [];
  #bytes = 0;
  #isOver = false;
  #wake = () => {};

  constructor(past: Iterable<Message>, private readonly mostQueued: number, private readonly onLeave: () => void) {
    this.#past = past[Symbol.iterator]();
  }

  push(line: Uint8Array): void {
    if (this.#isOver) return;
    this.#queue.push(line);
    this.#bytes += line.length;
    if (this.#bytes > this.mostQueued) {
      [this.#queue, this.#isPast] = [[], false];
      this.leave();
    }
    this.#wake();
  }

  /** Its last line. */
  finish(line: Uint8Array): void {
    this.push(line);
    this.leave();
  }

  leave(): void {
    this.#isOver = true;
    this.onLeave();
    this.#wake();
  }

  /** The next lines; undefined: there are no more. */
  async next(): Promise<Uint8Array | undefined> {
    if (this.#isPast) {
      const { value, done } = this.#past.next();
      if (!done) return lineOf(value);
      this.#isPast = false;
    }
    while (this.#queue.length === 0 && !this.#isOver) await new Promise<void>((wake) => this.#wake = wake);
    const lines = this.#queue.splice(0);
    this.#bytes = 0;
    return lines.length > 0 ? joined(lines) : undefined;
  }
}

/** What there is of files as few messages: what is appended to one in pieces of some size. */
export function* pastOf(changes: readonly FileChange[]): Generator<Message> {
  let name = "", pieces: Uint8Array[] = [], bytes = 0;
  const flush = function* (): Generator<Message> {
    if (pieces.length > 0) yield messageOf({ name, what: "appended", bytes: joined(pieces) });
    [pieces, bytes] = [[], 0];
  };
  for (const change of changes) {
    if (change.what !== "appended" || change.name !== name || bytes > PIECE_BYTES) yield* flush();
    if (change.what !== "appended") {
      yield messageOf(change);
      continue;
    }
    name = change.name;
    pieces.push(change.bytes);
    bytes += change.bytes.length;
  }
  yield* flush();
}

const lineOf = (message: Message) => new TextEncoder().encode(JSON.stringify(message) + "\n");
