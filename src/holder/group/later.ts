/** Work of a group that goes on beside its members' lives, and may outlast them. */
export class LaterWork {
  readonly #open = new Set<Promise<void>>();

  /** Adds work, and returns it. */
  add(work: Promise<void>): Promise<void> {
    const done = work.finally(() => this.#open.delete(done));
    done.catch(() => {}); // its starter is told
    this.#open.add(done);
    return done;
  }

  /** Resolves when all of it has ended. */
  async settled(): Promise<void> {
    await Promise.allSettled([...this.#open]);
  }
}
