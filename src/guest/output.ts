/** What a program in a guest has said and nobody has read yet. A guest may say anything, so this is bounded. */

import { FleetboxError } from "../core/errors.ts";

/** More than this before what is waited for is not our program. */
const MAX_NOISE = 64 * 1024;
/** More than this at once is not, either: a file of 64 KiB is the most that we ask for. */
const MAX_BYTES = 256 * 1024;

/** The program's output has ended. */
export class EndOfOutput extends Error {}

export class Output {
  #bytes = new Uint8Array(0);
  #isOver = false;
  #isTooMuch = false;
  #wake = () => {};

  push(more: Uint8Array): void {
    if (this.#bytes.length + more.length > MAX_BYTES) this.#isTooMuch = true;
    if (this.#isTooMuch) return this.#wake();
    const both = new Uint8Array(this.#bytes.length + more.length);
    both.set(this.#bytes);
    both.set(more, this.#bytes.length);
    this.#bytes = both;
    this.#wake();
  }

  end(): void {
    this.#isOver = true;
    this.#wake();
  }

  /** The next bytes. @throws {EndOfOutput} it ends before them */
  read(length: number): Promise<Uint8Array> {
    return this.#take(() => this.#bytes.length >= length ? length : undefined);
  }

  /** All up to the end of these bytes. @throws {EndOfOutput}; {FleetboxError} `protocol`: they do not come */
  readTo(mark: Uint8Array): Promise<Uint8Array> {
    return this.#take(() => {
      const at = indexOf(this.#bytes, mark);
      if (at >= 0) return at + mark.length;
      if (this.#bytes.length > MAX_NOISE) throw notOurs();
      return undefined;
    });
  }

  async #take(length: () => number | undefined): Promise<Uint8Array> {
    for (;;) {
      if (this.#isTooMuch) throw notOurs();
      const count = length();
      if (count !== undefined) {
        const taken = this.#bytes.slice(0, count);
        this.#bytes = this.#bytes.slice(count);
        return taken;
      }
      if (this.#isOver) throw new EndOfOutput();
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }
}

function notOurs(): FleetboxError {
  return new FleetboxError("protocol", "The guest says something else than our program");
}

function indexOf(bytes: Uint8Array, mark: Uint8Array): number {
  for (let at = bytes.indexOf(mark[0]); at >= 0; at = bytes.indexOf(mark[0], at + 1)) {
    if (mark.every((byte, index) => bytes[at + index] === byte)) return at;
  }
  return -1;
}
