/** The verbs that are answered with a line and then bytes: the line, and the connection from then on. */

import { writeAll } from "../../core/bytes.ts";
import { checkName } from "../../core/names.ts";
import { closeQuietly } from "../../system/sockets.ts";
import { dialMember } from "../places/doors.ts";
import type { Store } from "../../store.ts";
import { encodeLine } from "../../wire.ts";
import type { FieldsOf, OpOf, ReplyOf } from "../../wire.ts";
import { decodedReply } from "../requests.ts";

/** A connection to a holder, behind its first line. */
class ByteStream implements Disposable {
  #held: Uint8Array = new Uint8Array();
  readonly #buffer = new Uint8Array(64 * 1024);

  readonly #close = () => closeQuietly(this.conn);

  /** @param signal closes it */
  constructor(private readonly conn: Deno.UnixConn, private readonly signal?: AbortSignal) {
    signal?.addEventListener("abort", this.#close);
    if (signal?.aborted) this.#close();
  }

  /** The next bytes; undefined: the other side has ended, or we have closed it. */
  async read(): Promise<Uint8Array | undefined> {
    if (this.#held.length > 0) return this.#cut(this.#held.length);
    return await this.#receive();
  }

  /** So many bytes; fewer at the end. */
  async take(count: number): Promise<Uint8Array> {
    while (this.#held.length < count && await this.#more());
    return this.#cut(count);
  }

  /** A line with its newline; undefined: it has ended before. */
  async line(): Promise<string | undefined> {
    while (!this.#held.includes(0x0a)) if (!await this.#more()) return undefined;
    return new TextDecoder().decode(this.#cut(this.#held.indexOf(0x0a) + 1));
  }

  /** @throws when the other side is gone */
  async write(bytes: Uint8Array): Promise<void> {
    await writeAll(this.conn, bytes);
  }

  /** Tells the other side that nothing more comes from here. */
  async endWriting(): Promise<void> {
    await this.conn.closeWrite().catch(() => {}); // it has ended
  }

  [Symbol.dispose](): void {
    this.signal?.removeEventListener("abort", this.#close);
    this.#close();
  }

  async #receive(): Promise<Uint8Array | undefined> {
    try {
      const count = await this.conn.read(this.#buffer);
      return count === null ? undefined : this.#buffer.slice(0, count);
    } catch {
      return undefined; // the holder ended, or we have closed it
    }
  }

  async #more(): Promise<boolean> {
    const piece = await this.#receive();
    if (!piece) return false;
    const both = new Uint8Array(this.#held.length + piece.length);
    both.set(this.#held);
    both.set(piece, this.#held.length);
    this.#held = both;
    return true;
  }

  #cut(count: number): Uint8Array {
    const cut = this.#held.slice(0, count);
    this.#held = this.#held.slice(count);
    return cut;
  }
}

/**
 * Asks for a verb that is answered with bytes. Undefined when no holder serves the member, or the signal fires before its answer; later it closes the
 * stream.
 * @throws the error in the reply
 */
export async function openBytes<O extends OpOf<"bytes">>(
  store: Store,
  name: string,
  op: O,
  fields: FieldsOf<O>,
  signal?: AbortSignal,
): Promise<{ greeting: ReplyOf<O>; stream: ByteStream } | undefined> {
  const conn = await dialMember(store, checkName(name));
  if (!conn) return undefined;
  const stream = new ByteStream(conn, signal);
  try {
    await stream.write(new TextEncoder().encode(encodeLine({ op, ...fields })));
    const line = await stream.line();
    if (line !== undefined) return { greeting: decodedReply(line, name, op), stream };
  } catch (thrown) {
    stream[Symbol.dispose]();
    if (!signal?.aborted) throw thrown;
  }
  stream[Symbol.dispose]();
  return undefined;
}
