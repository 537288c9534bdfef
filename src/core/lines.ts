/**
 * Text that arrives in pieces, as lines: for every stream whose other end we do not trust (sockets, consoles, QMP).
 *
 * A line has a limit, and each piece is scanned once, so a peer that never ends a line costs no growing memory or time.
 * The reader chooses whether a longer line is an error, or is cut.
 */

import { FleetboxError } from "./errors.ts";

export interface LineOptions {
  /** The most characters of one line. */
  max: number;
  /** What happens to a longer line: `refuse` throws, `cut` keeps its beginning and skips the rest. @default "refuse" */
  overlong?: "refuse" | "cut";
  /** The sender's name for the error: `The holder`. @default "The other side" */
  who?: string;
}

export class LineSplitter {
  #parts: string[] = [];
  #length = 0;

  constructor(private readonly options: LineOptions) {}

  /** The lines that this piece completes, without newlines. @throws {FleetboxError} `protocol`: a line is too long. */
  *push(piece: string): Generator<string> {
    let from = 0;
    for (let end = piece.indexOf("\n"); end >= 0; end = piece.indexOf("\n", from)) {
      this.#add(piece.slice(from, end));
      from = end + 1;
      yield this.rest();
    }
    this.#add(piece.slice(from));
  }

  /** The text since the last newline; it stays. */
  begun(): string {
    return this.#parts.join("");
  }

  /** Takes the text since the last newline. */
  rest(): string {
    const line = this.begun();
    this.#parts = [];
    this.#length = 0;
    return line;
  }

  #add(text: string): void {
    const { max, overlong, who = "The other side" } = this.options;
    const room = max - this.#length;
    if (text.length > room && overlong !== "cut") {
      throw new FleetboxError("protocol", `${who} sent a line of more than ${max} characters`);
    }
    if (text === "" || room <= 0) return;
    this.#parts.push(text.slice(0, room));
    this.#length += Math.min(text.length, room);
  }
}
