/** Work of the same key is done one after the other, each whatever came of the one before. */
export class Turns {
  readonly #last = new Map<string, Promise<void>>();

  async take<T>(key: string, work: () => Promise<T>): Promise<T> {
    const mine = (this.#last.get(key) ?? Promise.resolve()).then(work);
    const last = mine.then(() => {}, () => {});
    this.#last.set(key, last);
    try {
      return await mine;
    } finally {
      if (this.#last.get(key) === last) this.#last.delete(key);
    }
  }
}
