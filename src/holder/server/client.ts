/** A client's connection, for the handlers of verbs: replies with limits, and a queue for streams. */

import { writeAll } from "../../core/bytes.ts";
import { startLimit } from "../../core/deadline.ts";
import { closeQuietly } from "../../system/sockets.ts";
import * as wire from "../../wire.ts";
import { log } from "../log.ts";

/** A watcher with this many bytes of unread events is dropped. */
const MAX_BACKLOG_BYTES = 4 * 1024 * 1024;

/** A connected client. */
export class Client {
  #queue: Uint8Array[] = [];
  #queued = 0;
  #writing: Promise<void> | undefined;
  #open = true;
  /** Gives up the write that is under way. Before Deno 2.9 closing does not end it, only the peer does. */
  #abandon = () => {};

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
    if (this.#queued > MAX_BACKLOG_BYTES) return this.#drop(`it left ${MAX_BACKLOG_BYTES / 2 ** 20} MiB unread`);
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
    const limitMs = wire.REPLY_TIMEOUT_MS;
    const endLimit = startLimit(limitMs, () => this.#drop(`it read nothing for ${limitMs / 1000} s`));
    const { promise: abandoned, reject } = Promise.withResolvers<never>();
    this.#abandon = () => reject(new Deno.errors.BrokenPipe("its connection was closed"));
    try {
      await Promise.race([writeAll(this.conn, bytes), abandoned]);
    } finally {
      this.#abandon = () => {};
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

  #drop(why: string): void {
    if (this.#open) log(`a client was dropped: ${why}`);
    this.close();
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#queue.length = 0;
    closeQuietly(this.conn);
    this.#abandon();
  }
}
