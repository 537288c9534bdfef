/**
 * The holder's changes, for its subscribers.
 *
 * A subscriber is a function; its errors and its slowness affect no other. Bounded queues are the subscriber's part
 * (see `client.ts`).
 */

import type { Event } from "../../wire.ts";

/** How many notes are kept for the first client. */
const MOST_UNHEARD = 20;

export class EventHub {
  readonly #listeners = new Set<(event: Event) => void>();
  /** Notes from before the first client that is told of any: a holder works before its client has connected. */
  #unheard: Event[] | undefined = [];

  /** Calls `listener` for every event from now on, until the returned function is called. */
  subscribe(listener: (event: Event) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** The notes that no client has heard, for the first that asks; no more are kept then. */
  takeUnheard(): Event[] {
    const notes = this.#unheard ?? [];
    this.#unheard = undefined;
    return notes;
  }

  tell(event: Event): void {
    if (event.event === "note" && this.#unheard && this.#unheard.length < MOST_UNHEARD) this.#unheard.push(event);
    for (const listener of [...this.#listeners]) listener(event);
  }
}
