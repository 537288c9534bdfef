/** What is typed in pages goes to the members' consoles, through the holder as with `fleetbox console`. */

import { LATE, within } from "../../core/deadline.ts";
import { FleetboxError } from "../../core/errors.ts";
import { type ConsoleStream, openConsole } from "../../control.ts";
import type { Store } from "../../store.ts";
import { say } from "../terminal/output.ts";

/** How long a holder may take to answer, and a guest to read what is typed. */
const ANSWER_MS = 5_000;

export class Keyboards implements Disposable {
  readonly #streams = new Map<string, ConsoleStream>();
  /** What is typed to one member goes one after the other. */
  readonly #turns = new Map<string, Promise<void>>();
  #isOver = false;

  constructor(private readonly store: Store) {}

  /** Types. @throws {FleetboxError} `conflict`, `not-found`: it has no console; `timeout`: the guest does not read */
  async type(name: string, bytes: Uint8Array): Promise<void> {
    const before = this.#turns.get(name);
    if (!before) say(`fleetbox console ${name}`);
    const turn = (before ?? Promise.resolve()).then(() => this.#send(name, bytes));
    this.#turns.set(name, turn.catch(() => {}));
    await turn;
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    for (const stream of this.#streams.values()) stream[Symbol.dispose]();
  }

  async #send(name: string, bytes: Uint8Array): Promise<void> {
    const known = this.#streams.get(name);
    // One whose holder was killed is opened once more.
    if (known && await this.#write(name, known, bytes)) return;
    if (await this.#write(name, await this.#open(name), bytes)) return;
    throw gone(name);
  }

  /** False: the machine or its holder is gone, and nothing was typed. */
  async #write(name: string, stream: ConsoleStream, bytes: Uint8Array): Promise<boolean> {
    const isRead = await within(ANSWER_MS, stream.write(bytes).then(() => true, () => false));
    if (isRead === true) return true;
    this.#drop(name, stream);
    if (isRead === LATE) throw new FleetboxError("timeout", `The guest of "${name}" does not read its console`);
    return false;
  }

  async #open(name: string): Promise<ConsoleStream> {
    const opening = openConsole(this.store, name);
    const stream = await within(ANSWER_MS, opening);
    if (stream === LATE) {
      opening.then((late) => late?.[Symbol.dispose](), () => {});
      throw new FleetboxError("timeout", `The holder of "${name}" does not answer`);
    }
    if (!stream || this.#isOver) {
      stream?.[Symbol.dispose]();
      throw gone(name);
    }
    this.#streams.set(name, stream);
    void (async () => {
      while (await stream.read()); // the recorder shows it
      this.#drop(name, stream);
    })();
    return stream;
  }

  #drop(name: string, stream: ConsoleStream): void {
    stream[Symbol.dispose]();
    if (this.#streams.get(name) === stream) this.#streams.delete(name);
  }
}

function gone(name: string): FleetboxError {
  return new FleetboxError("not-found", `"${name}" has no console: it is not running`);
}
