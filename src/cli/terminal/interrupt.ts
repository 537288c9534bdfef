/**
 * Ctrl-C, SIGTERM and SIGHUP: the first one asks the command to end in order, the second one ends it at once.
 *
 * A holder leads a session of its own, so Ctrl-C reaches the command alone, which decides about the machines.
 */

import { EXIT_CODES, FleetboxError } from "../../core/errors.ts";
import { warn } from "./output.ts";

const SIGNALS: Deno.Signal[] = ["SIGINT", "SIGTERM", "SIGHUP"];

export class Interrupt implements Disposable {
  #controller = new AbortController();
  #listener: () => void;

  /** @param lastWords the text that the second signal prints before it ends the program. */
  constructor(lastWords: () => string | undefined) {
    this.#listener = () => {
      if (!this.#controller.signal.aborted) {
        this.#controller.abort(new FleetboxError("interrupted", "Interrupted"));
        return;
      }
      const words = lastWords();
      if (words) warn(`fleetbox: ${words}`);
      Deno.exit(EXIT_CODES.interrupted);
    };
    for (const signal of SIGNALS) Deno.addSignalListener(signal, this.#listener);
  }

  /** Fires with the first signal. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get happened(): boolean {
    return this.#controller.signal.aborted;
  }

  [Symbol.dispose](): void {
    for (const signal of SIGNALS) Deno.removeSignalListener(signal, this.#listener);
  }
}
