/**
 * Files that are only ever appended to, at once: whoever is killed leaves what was written. A write that fails, on a full disk for
 * one, is the end of writing; what was written stays, and may end with half a line.
 */

/** The files of one trace: one failure ends all of them. */
export class Appender implements Disposable {
  readonly #files = new Map<string, Deno.FsFile>();
  /** Why nothing is written any more. */
  failure: unknown;

  constructor(private readonly directory: string, private readonly onFailure: (failure: unknown) => void = () => {}) {}

  /** Appends to a file of the directory; it is made if it is new. */
  append(name: string, bytes: Uint8Array): void {
    if (this.failure !== undefined) return;
    try {
      const file = this.#files.get(name) ?? this.#open(name);
      for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
    } catch (thrown) {
      this.failure = thrown;
      this.onFailure(thrown);
    }
  }

  /** Ends a file, which may be moved or removed then. */
  close(name: string): void {
    this.#files.get(name)?.close();
    this.#files.delete(name);
  }

  [Symbol.dispose](): void {
    for (const name of [...this.#files.keys()]) this.close(name);
  }

  #open(name: string): Deno.FsFile {
    const file = Deno.openSync(`${this.directory}/${name}`, { append: true, create: true, mode: 0o600 });
    this.#files.set(name, file);
    return file;
  }
}
