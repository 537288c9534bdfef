/**
 * The holder's changes, as they are told to whoever watches.
 *
 * A subscriber is a function; what it throws or how slow it is concerns nobody else. Bounded queues are the
 * subscriber's business (see `serve.ts`).
 */

import type { Event } from "../../wire.ts";

export class EventHub {
  readonly #listeners = new Set<(event: Event) => void>();

  /** Calls `listener` for every event from now on, until the returned function is called. */
  subscribe(listener: (event: Event) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  tell(event: Event): void {
    for (const listener of [...this.#listeners]) listener(event);
  }
}
