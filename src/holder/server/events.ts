/**
 * The holder's changes, as they are told to whoever watches.
 *
 * A subscriber is a function; what it throws or how slow it is concerns nobody else. Bounded queues are the
 * subscriber's business (see `serve.ts`).
 */

import type { Event } from "../../wire.ts";

export class EventHub {
  readonly #listeners = new Set<(event: Event) => void>();
  #onFirst = Promise.withResolvers<void>();

  /** Calls a client's `listener` for every event from now on, until the returned function is called. */
  subscribe(listener: (event: Event) => void): () => void {
    this.#onFirst.resolve();
    return this.observe(listener);
  }

  /** The same for the holder itself, which is nobody that something could be told to. */
  observe(listener: (event: Event) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Resolves when there has been a subscriber, or after `limitMs`. */
  async heard(limitMs: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => timer = setTimeout(resolve, limitMs));
    await Promise.race([this.#onFirst.promise, late]);
    clearTimeout(timer);
  }

  tell(event: Event): void {
    for (const listener of [...this.#listeners]) listener(event);
  }
}
