/** A client's connection, for the handlers of verbs: replies with limits, and a queue for streams. */

import { writeAll } from "../../core/bytes.ts";
import { startLimit } from "../../core/deadline.ts";
import { closeQuietly } from "../../system/sockets.ts";
import * as wire from "../../wire.ts";

/** A watcher with this many bytes of unread events is dropped. */
const MAX_BACKLOG_BYTES = 4 * 1024 * 1024;

/** A connected client. */
export class Client {
  #queue: Uint8Array[] = [];
  #queued = 0;
  #writing: Promise<void> | undefined;
  #open = true;

  constructor(private readonly conn: Deno.UnixConn) {}

  /** Writes a whole reply. @throws when the client left, or does not read. */
  async write(text: string): Promise<void> {
    await this.drained();
    await this.#writeAll(new TextEncoder().encode(text));
  }

  /** Queues a line of a stream; a client that does not keep up is dropped. */
  post(line: string): void {
    if (!this.#open) return;
    const bytes = new TextEncoder().encode(line);
    this.#queued += bytes.length;
    if (this.#queued > MAX_BACKLOG_BYTES) return this.close();
    this.#queue.push(bytes);
    this.#writing ??= this.#drain();
  }

  async drained(): Promise<void> {
    await this.#writing;
  }

  async #drain(): Promise<void> {
    try {
      for (let next = this.#queue.shift(); next && this.#open; next = this.#queue.shift()) {
        await this.#writeAll(next);
        this.#queued -= next.length;
      }
    } catch {
      this.close(); // it left
    }
    this.#writing = undefined;
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    const endLimit = startLimit(wire.REPLY_TIMEOUT_MS, () => this.close());
    try {
      await writeAll(this.conn, bytes);
    } finally {
      endLimit();
    }
  }

  /** Resolves when the client closed its end. Its further bytes are ignored. */
  async left(): Promise<void> {
    const scrap = new Uint8Array(1024);
    try {
      while (this.#open && await this.conn.read(scrap) !== null);
    } catch { /* gone */ }
  }

  /** The connection itself, for use after the reply. It is closed when its request is served. */
  upgrade(): Deno.UnixConn {
    return this.conn;
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    closeQuietly(this.conn);
  }
}
