/**
 * A member's serial console, shared: the hypervisor's console socket takes one client, which is the holder, and everybody who is
 * attached (`{"op":"console"}`) gets what the guest says and may type.
 *
 * It lives as long as the member; machines come and go behind it. A new client first gets the end of the past output,
 * from `serial.log`; comparing bytes finds the place where the log ends and the stream continues ({@link joined}).
 * Output goes to each client through a bounded queue of its own. When a queue fills up, reading from the guest is
 * delayed once. A client that has no room even then loses bytes, never the last ones, and is told how many; the console
 * does not wait for it again until it has caught up. A client's keys are written to the guest before more is read from
 * that client, so one that types faster than the guest reads waits. Keys without a machine are lost.
 */

import { writeAll } from "../../core/bytes.ts";
import { startLimit } from "../../core/deadline.ts";
import { closeQuietly, dialUnix } from "../../system/sockets.ts";
import { cutLog } from "./console.ts";
import { readEnd, sizeOf } from "../../system/files.ts";

/** How much past output a client gets: a large terminal's screen with its escape sequences. */
const REPLAY_BYTES = 32 * 1024;
/** How much received output is kept, to find it in the log. */
const ARRIVED_BYTES = 4 * 1024;
/** How many bytes identify a place in a console's log. */
const KEY_BYTES = 64;
/**
 * The hypervisor takes a connection a moment after it was made, and what the guest says in that moment is in the log alone: the log
 * is looked at after so long, until the first byte arrives.
 */
const CATCH_UP_MS = [50, 200, 1_000, 5_000];
/** How much output comes between two checks of the log's size. */
const LOOK_BYTES = 4 * 1024 * 1024;
/** The largest queue of a client. */
const MAX_WAITING_BYTES = 1024 * 1024;
/** How long the guest may be kept waiting by a client whose queue is half full. */
const PATIENCE_MS = 100;
/** How long a client may take to read its queue once the machine is gone. */
const LAST_BYTES_MS = 1_000;

export class SharedConsole {
  #conn: Deno.UnixConn | undefined;
  /** The last bytes that arrived from this machine; undefined before the first one. */
  #arrived: Tail | undefined;
  /** Until the first byte arrives: the clients' place in the log. */
  #shown = 0;
  /** Bytes until the log's size is looked at. */
  #untilLook = 0;
  readonly #viewers = new Set<Viewer>();
  #typing: Promise<void> = Promise.resolve();

  /** @param log the file to which the hypervisor appends all output. */
  constructor(private readonly log: string) {}

  /** Whether there is a machine whose console this is. */
  get isConnected(): boolean {
    return this.#conn !== undefined;
  }

  /**
   * Connects a machine's console and reads it until it ends. Releases an earlier connection first.
   * @param onBytes gets all output from now on.
   */
  async connect(socket: string, onBytes: (bytes: Uint8Array) => void): Promise<void> {
    const before = this.#conn;
    this.#conn = undefined;
    if (before) closeQuietly(before);
    const conn = await dialUnix(socket);
    if (!conn) return;
    this.#conn = conn;
    this.#arrived = undefined;
    this.#catchUp();
    for (const delayMs of CATCH_UP_MS) {
      Deno.unrefTimer(setTimeout(() => {
        if (this.#conn === conn && !this.#arrived) this.#catchUp();
      }, delayMs));
    }
    void this.#read(conn, onBytes);
  }

  async #read(conn: Deno.UnixConn, onBytes: (bytes: Uint8Array) => void): Promise<void> {
    const buffer = new Uint8Array(32 * 1024);
    try {
      for (let count = await conn.read(buffer); count !== null; count = await conn.read(buffer)) {
        const bytes = buffer.slice(0, count);
        if (!this.#arrived) this.#catchUp(bytes);
        this.#bound(count);
        (this.#arrived ??= new Tail(ARRIVED_BYTES)).push(bytes);
        for (const viewer of this.#viewers) viewer.push(bytes);
        onBytes(bytes);
        for (const viewer of this.#viewers) if (viewer.isFilling) await viewer.room(PATIENCE_MS);
      }
    } catch { /* the machine is gone: its exit reports that */ }
    closeQuietly(conn);
    if (this.#conn !== conn) return;
    this.#conn = undefined;
    this.#dismiss();
  }

  /**
   * Checks the log's size every few MiB, and at the first bytes, because its last holder may have been killed long ago.
   */
  #bound(count: number): void {
    if ((this.#untilLook -= count) > 0) return;
    this.#untilLook = LOOK_BYTES;
    try {
      cutLog(this.log);
    } catch { /* the disk is full: the next check tries again */ }
  }

  /** Sends the clients the log's new bytes, up to those that have just arrived. */
  #catchUp(arrived?: Uint8Array): void {
    const since = this.#viewers.size > 0 ? readEnd(this.log, this.#shown, REPLAY_BYTES) : new Uint8Array();
    this.#shown = sizeOf(this.log);
    const end = arrived ? Math.max(0, find(since, arrived.subarray(0, KEY_BYTES))) : since.length;
    for (const viewer of this.#viewers) viewer.push(since.subarray(0, end));
  }

  /** The end of the past output before the next byte arrives. */
  #replay(): Uint8Array {
    if (this.#conn && this.#arrived) return joined(readEnd(this.log, 0, REPLAY_BYTES), this.#arrived.bytes());
    this.#catchUp();
    return readEnd(this.log, 0, REPLAY_BYTES, this.#shown);
  }

  /**
   * Serves a client until it leaves or the machine is gone. Never rejects; closes nothing.
   * @param greeting comes first, then that many bytes of past output, then new output.
   */
  async attach(client: Deno.UnixConn, greeting: (replayBytes: number) => Uint8Array): Promise<void> {
    const replay = this.#replay();
    const viewer = new Viewer(client);
    viewer.push(greeting(replay.length));
    viewer.push(replay);
    this.#viewers.add(viewer);
    await Promise.race([this.#hear(client), viewer.ended]);
    this.#viewers.delete(viewer);
  }

  /** Passes on a client's keys until it leaves. */
  async #hear(client: Deno.UnixConn): Promise<void> {
    const buffer = new Uint8Array(4 * 1024);
    try {
      for (let count = await client.read(buffer); count !== null; count = await client.read(buffer)) {
        await this.#type(buffer.slice(0, count));
      }
    } catch { /* it left */ }
  }

  #type(bytes: Uint8Array): Promise<void> {
    this.#typing = this.#typing.then(async () => {
      try {
        if (this.#conn) await writeAll(this.#conn, bytes);
      } catch { /* the machine is gone: its reader reports that */ }
    });
    return this.#typing;
  }

  /** The machine is gone, or will not come: releases the clients once they have its output. */
  end(): void {
    const conn = this.#conn;
    if (!conn) return this.#dismiss();
    // Its last output is still arriving, and then its end.
    startLimit(LAST_BYTES_MS, () => closeQuietly(conn), { unref: true });
  }

  #dismiss(): void {
    for (const viewer of this.#viewers) viewer.end();
  }
}

/**
 * The log, up to the received output: the log may have bytes that have not arrived, or lack some that will be written.
 * If the same bytes occur twice, the place may be off by the bytes between them.
 */
export function joined(log: Uint8Array, arrived: Uint8Array): Uint8Array {
  const key = arrived.subarray(-KEY_BYTES);
  if (log.length === 0) return arrived;
  const at = findLast(log, key);
  if (at >= 0) return log.subarray(0, at + key.length);
  const end = log.subarray(-KEY_BYTES);
  const from = findLast(arrived, end);
  if (from < 0) return log;
  const rest = arrived.subarray(from + end.length);
  const whole = new Uint8Array(log.length + rest.length);
  whole.set(log);
  whole.set(rest, log.length);
  return whole;
}

function find(bytes: Uint8Array, key: Uint8Array): number {
  return text(bytes).indexOf(text(key));
}

function findLast(bytes: Uint8Array, key: Uint8Array): number {
  return text(bytes).lastIndexOf(text(key));
}

/** One character for each byte. */
function text(bytes: Uint8Array): string {
  return latin1.decode(bytes);
}
const latin1 = new TextDecoder("latin1");

/** One client's queue, and its writer. */
export class Viewer {
  /** Resolved when the client has all its bytes, or is gone. */
  readonly ended: Promise<void>;
  readonly #end = Promise.withResolvers<void>();
  #waiting: Uint8Array[] = [];
  #bytes = 0;
  /** Output that came when the queue was full: its length and its end. */
  #late: { bytes: number; end: Tail } | undefined;
  #isEnding = false;
  #isWriting = false;
  #isSlow = false;
  #hasRoom = () => {};

  constructor(private readonly client: Pick<Deno.UnixConn, "write">) {
    this.ended = this.#end.promise;
  }

  /** Queues bytes; drops them when the queue is full. */
  push(bytes: Uint8Array): void {
    if (bytes.length === 0 || this.#isEnding) return;
    // After the first loss all bytes are dropped until the client has read its queue: one gap, not many. The last bytes
    // follow the gap, because the client waits for them (a prompt perhaps).
    if (this.#late || this.#bytes + bytes.length > MAX_WAITING_BYTES) {
      this.#late ??= { bytes: 0, end: new Tail(REPLAY_BYTES) };
      this.#late.bytes += bytes.length;
      this.#late.end.push(bytes);
      return;
    }
    this.#queue(bytes);
  }

  /** Whether the queue is nearly full, of a client that is not known to be slow. */
  get isFilling(): boolean {
    return !this.#isSlow && !this.#isEnding && this.#bytes > MAX_WAITING_BYTES / 2;
  }

  /** Resolves when there is room, or after the limit: then the client counts as slow until it has read its queue. */
  async room(limitMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#hasRoom = resolve;
    const endLimit = startLimit(limitMs, () => {
      this.#isSlow = true;
      resolve();
    });
    await promise;
    endLimit();
  }

  /** No more output comes; the client may still read its queue, for a moment. */
  end(): void {
    this.#isEnding = true;
    if (!this.#isWriting) this.#end.resolve();
    else startLimit(LAST_BYTES_MS, () => this.#end.resolve(), { unref: true });
  }

  #queue(bytes: Uint8Array): void {
    this.#waiting.push(bytes);
    this.#bytes += bytes.length;
    if (!this.#isWriting) void this.#write();
  }

  async #write(): Promise<void> {
    this.#isWriting = true;
    try {
      for (let next = this.#next(); next; next = this.#next()) {
        await writeAll(this.client, next);
        this.#bytes -= next.length;
        if (!this.isFilling) this.#hasRoom();
      }
      this.#isSlow = false;
    } catch {
      this.#isEnding = true; // it left
    }
    this.#hasRoom();
    this.#isWriting = false;
    if (this.#isEnding) this.#end.resolve();
  }

  #next(): Uint8Array | undefined {
    const next = this.#waiting.shift();
    if (next || !this.#late) return next;
    const end = this.#late.end.bytes();
    const lost = this.#late.bytes - end.length;
    this.#late = undefined;
    const note = lost > 0 ? `\r\n[fleetbox: ${lost} bytes are missing here: read too slowly]\r\n` : "";
    const whole = new Uint8Array([...new TextEncoder().encode(note), ...end]);
    this.#bytes += whole.length;
    return whole;
  }
}

/** The last bytes of a stream. */
export class Tail {
  readonly #ring: Uint8Array;
  #end = 0;
  #length = 0;

  constructor(size: number) {
    this.#ring = new Uint8Array(size);
  }

  push(bytes: Uint8Array): void {
    const size = this.#ring.length;
    const kept = bytes.subarray(Math.max(0, bytes.length - size));
    const first = kept.subarray(0, size - this.#end);
    this.#ring.set(first, this.#end);
    this.#ring.set(kept.subarray(first.length), 0);
    this.#end = (this.#end + kept.length) % size;
    this.#length = Math.min(size, this.#length + kept.length);
  }

  /** A copy of them. */
  bytes(): Uint8Array {
    const start = (this.#end - this.#length + this.#ring.length) % this.#ring.length;
    const bytes = new Uint8Array(this.#length);
    const first = this.#ring.subarray(start, Math.min(this.#ring.length, start + this.#length));
    bytes.set(first);
    bytes.set(this.#ring.subarray(0, this.#length - first.length), first.length);
    return bytes;
  }
}
