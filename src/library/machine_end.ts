/** Ends pending work over connections to a machine when the machine ends, because it closes no connection then. */

import { type MachineEnd, untilMachineEnds } from "../control/machine_end.ts";
import { FleetboxError } from "../core/errors.ts";
import type { Store } from "../store.ts";

/** How long work runs before the machine is watched for it: most work ends before, and is not slowed down. */
const WATCH_AFTER_MS = 1_000;

/** One machine's end, for all pending work on it. */
export class EndWatch {
  readonly #underWay = new Set<(end: MachineEnd) => void>();
  #watching: { over: AbortController; done: Promise<void> } | undefined;

  /** @param onEnd lets go of the connections, once everybody has been told. */
  constructor(private readonly machine: { store: Store; name: string }, private readonly onEnd: () => Promise<void>) {}

  /**
   * Waits for work on the machine, or for the end of the machine.
   * @param what names it in the error: `exec() on "a"`.
   * @throws {FleetboxError} `failed`: the machine ended first.
   */
  async guard<T>(what: string, work: Promise<T>): Promise<T> {
    const { promise: ended, reject } = Promise.withResolvers<never>();
    const tell = ({ why, cause }: MachineEnd) => {
      work.catch(() => {}); // it breaks with the connection
      reject(new FleetboxError("failed", `${what} was cut off: ${why}`, { cause, hint: HINT }));
    };
    this.#underWay.add(tell);
    const timer = setTimeout(() => this.#watch(), WATCH_AFTER_MS);
    try {
      return await Promise.race([work, ended]);
    } finally {
      clearTimeout(timer);
      this.#underWay.delete(tell);
      if (this.#underWay.size === 0) await this.#rest();
    }
  }

  #watch(): void {
    if (this.#watching) return;
    const over = new AbortController();
    this.#watching = { over, done: this.#untilEnd(over.signal) };
  }

  async #untilEnd(signal: AbortSignal): Promise<void> {
    const { store, name } = this.machine;
    const end = await untilMachineEnds(store, name, signal);
    if (!end) return;
    for (const tell of this.#underWay) tell(end);
    await this.onEnd();
    if (this.#watching?.over.signal === signal) this.#watching = undefined; // the machine may be started again
  }

  async #rest(): Promise<void> {
    const watching = this.#watching;
    this.#watching = undefined;
    watching?.over.abort();
    await watching?.done;
  }
}

const HINT = "Its progress is unknown. Start the machine again: start()";
