/** Writes a group's record, soon: changes that come together are written once. */

import type { GroupRecord, Store } from "../../store.ts";
import { describe, log } from "../log.ts";

export class RecordWriter {
  #last: Promise<void> = Promise.resolve();
  /** The write that will tell of every change until it begins. */
  #next: Promise<void> | undefined;
  readonly #over = new AbortController();

  /** @param record what is to be written, when its turn comes @param onWritten called with what was; it does not reject */
  constructor(
    private readonly store: Store,
    private readonly record: () => GroupRecord,
    private readonly onWritten: (record: GroupRecord) => Promise<void>,
  ) {}

  /** Resolves when the record tells of all that is so now, and that was told. Never rejects: a failure is in the log. */
  note(): Promise<void> {
    if (this.#over.signal.aborted) return this.#last;
    return this.#last = this.#next ??= this.#last.then(async () => {
      this.#next = undefined;
      if (this.#over.signal.aborted) return;
      try {
        const record = this.record();
        await this.store.writeGroupRecord(record);
        await this.onWritten(record);
      } catch (thrown) {
        log(`cannot write the group's record: ${describe(thrown)}`);
      }
    });
  }

  /** Writes it now. @throws {FleetboxError} why it cannot be written */
  async write(): Promise<void> {
    const writing = this.store.writeGroupRecord(this.record());
    this.#last = writing.catch(() => {});
    await writing;
  }

  /** Resolves when what is being written is written. Never rejects. */
  async written(): Promise<void> {
    await this.#last;
  }

  /** Nothing is written from here on. */
  end(): void {
    this.#over.abort();
  }
}
