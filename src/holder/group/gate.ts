/** Members that go on together: each waits until all have arrived. */

import type { Options } from "../../core/options.ts";

export class Gate {
  readonly #missing: Set<string>;
  readonly #open = Promise.withResolvers<void>();

  /** For those of a new group that are made from a checkpoint. */
  static of(names: readonly string[], { snapshot }: Options): Gate {
    return new Gate(names.filter((name) => snapshot?.members[name] !== undefined));
  }

  constructor(names: Iterable<string>) {
    this.#missing = new Set(names);
    if (this.#missing.size === 0) this.#open.resolve();
  }

  /** Resolves when all have arrived or left. A name that is not waited for passes with the others. */
  arrive(name: string): Promise<void> {
    this.leave(name);
    return this.#open.promise;
  }

  /** It will not arrive. */
  leave(name: string): void {
    this.#missing.delete(name);
    if (this.#missing.size === 0) this.#open.resolve();
  }
}
