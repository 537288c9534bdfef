/** Events that say when to probe a guest: a frame, an address that it announces, a line on its console. */

export class Hints {
  readonly #listeners = new Set<() => void>();

  /** Calls `listener` at each hint, until the returned function is called. */
  on(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  give(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}
