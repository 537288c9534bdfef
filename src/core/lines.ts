/**
 * Text that arrives in pieces, as lines: for every stream whose other end we do not trust (sockets, consoles, QMP).
 *
 * A line has a limit, and a piece is looked at once: what a peer sends without ever ending a line costs neither memory
 * nor time that grows with it. What happens to a longer one is the reader's choice: it is an error, or it is cut.
 */

import { FleetboxError } from "./errors.ts";

export interface LineOptions {
  /** Characters that one line may have. */
  max: number;
  /** What becomes of a longer one: `refuse` throws, `cut` gives its beginning and passes over the rest. @default "refuse" */
  overlong?: "refuse" | "cut";
  /** Who sends them, for the error: `The holder`. @default "The other side" */
  who?: string;
}

export class LineSplitter {
  #parts: string[] = [];
  #length = 0;

  constructor(private readonly options: LineOptions) {}

  /** The lines that this piece ends, without their newlines. @throws {FleetboxError} `protocol`: one is too long. */
  *push(piece: string): Generator<string> {
    let from = 0;
    for (let end = piece.indexOf("\n"); end >= 0; end = piece.indexOf("\n", from)) {
      this.#add(piece.slice(from, end));
      from = end + 1;
      yield this.rest();
    }
    this.#add(piece.slice(from));
  }

  /** What has come since the last newline; forgotten with this. */
  rest(): string {
    const line = this.#parts.join("");
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
