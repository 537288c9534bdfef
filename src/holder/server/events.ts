/**
 * The holder's changes, for its subscribers.
 *
 * A subscriber is a function; its errors and its slowness affect no other. Bounded queues are the subscriber's part
 * (see `client.ts`).
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
