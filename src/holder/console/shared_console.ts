/**
 * A member's serial console, shared: the hypervisor's console socket takes one client, which is the holder, and everybody who is
 * attached (`{"op":"console"}`) gets what the guest says and may type.
 *
 * It lives as long as the member; machines come and go behind it. Who attaches gets the end of what was said first, from
 * `serial.log`, which has all of it; where the log ends and the stream goes on is found by the bytes themselves
 * ({@link joined}). What is said goes to each client through a queue of its own, which has an end. When one fills up the
 * guest's words are read a little later, once: a client that has no room even then loses bytes, never the last ones, and is
 * told how many; nobody waits for it again until it has caught up. What is typed is written to the guest before more is read
 * from that client: one that types faster than the guest reads waits. What is typed while there is no machine is lost.
 */

import { startLimit } from "../../core/deadline.ts";
import { closeQuietly, dialUnix, writeAll } from "../../system/sockets.ts";
import { consoleEnd, consoleSize, cutLog } from "./console.ts";

/** How much of what was said before a client gets: a large terminal's screen, escape sequences and all. */
const REPLAY_BYTES = 32 * 1024;
/** How much of what has arrived is kept, to be found in the log. */
const ARRIVED_BYTES = 4 * 1024;
/** How many bytes tell one place in a console's log from another. */
const KEY_BYTES = 64;
/**
 * The hypervisor takes a connection a moment after it was made, and what the guest says in that moment is in the log alone: the log
 * is looked at after so long, until the first byte arrives.
 */
const CATCH_UP_MS = [50, 200, 1_000, 5_000];
/** How much a guest says between two looks at the size of its log. */
const LOOK_BYTES = 4 * 1024 * 1024;
/** How much may wait for a client. */
const MAX_WAITING_BYTES = 1024 * 1024;
/** How long the guest may be kept waiting by a client whose queue is half full. */
const PATIENCE_MS = 100;
/** How long what waits for a client may take to be read once the machine is gone. */
const LAST_BYTES_MS = 1_000;

export class SharedConsole {
  #conn: Deno.UnixConn | undefined;
  /** The last bytes that arrived from this machine; undefined before the first one. */
  #arrived: Tail | undefined;
  /** Until something arrives: how far in the log the clients are. */
  #shown = 0;
  /** Bytes until the log's size is looked at. */
  #untilLook = 0;
  readonly #viewers = new Set<Viewer>();
  #typing: Promise<void> = Promise.resolve();

  /** @param log the file in which the hypervisor keeps all that was said. */
  constructor(private readonly log: string) {}

  /** Whether there is a machine whose console this is. */
  get isConnected(): boolean {
    return this.#conn !== undefined;
  }

  /**
   * Connects a machine's console, and reads it until that ends. One that is connected is let go of first.
   * @param onBytes is given all that is said from now on.
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
    } catch { /* the machine is gone: its exit tells */ }
    closeQuietly(conn);
    if (this.#conn !== conn) return;
    this.#conn = undefined;
    this.#dismiss();
  }

  /** Looks at the log's size every few MiB, and at the first bytes: its last holder may have been killed long ago. */
  #bound(count: number): void {
    if ((this.#untilLook -= count) > 0) return;
    this.#untilLook = LOOK_BYTES;
    try {
      cutLog(this.log);
    } catch { /* the disk is full: it is tried again */ }
  }

  /** Gives the clients what the log has got since, up to what has just arrived. */
  #catchUp(arrived?: Uint8Array): void {
    const since = this.#viewers.size > 0 ? consoleEnd(this.log, this.#shown, REPLAY_BYTES) : new Uint8Array();
    this.#shown = consoleSize(this.log);
    const end = arrived ? Math.max(0, find(since, arrived.subarray(0, KEY_BYTES))) : since.length;
    for (const viewer of this.#viewers) viewer.push(since.subarray(0, end));
  }

  /** The end of what was said before the next byte arrives. */
  #replay(): Uint8Array {
    if (this.#conn && this.#arrived) return joined(consoleEnd(this.log, 0, REPLAY_BYTES), this.#arrived.bytes());
    this.#catchUp();
    return consoleEnd(this.log, 0, REPLAY_BYTES, this.#shown);
  }

  /**
   * Serves a client until it leaves or the machine is gone. Never rejects; closes nothing.
   * @param greeting comes first, then so many bytes of what was said before, then what is said.
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

  /** What a client types, until it leaves. */
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
      } catch { /* the machine is gone: its reader says so */ }
    });
    return this.#typing;
  }

  /** The machine is gone, or will not come: lets the clients go, once they have what it said. */
  end(): void {
    const conn = this.#conn;
    if (!conn) return this.#dismiss();
    // What it said last is still on its way, and then its end.
    startLimit(LAST_BYTES_MS, () => closeQuietly(conn), { unref: true });
  }

  #dismiss(): void {
    for (const viewer of this.#viewers) viewer.end();
  }
}

/**
 * The log, up to what has arrived: what it has beyond that is on its way to us, and what it lacks of it was just about to be
 * written. Where the same bytes were said twice it may be off by what is between them.
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

/** One character a byte. */
function text(bytes: Uint8Array): string {
  return latin1.decode(bytes);
}
const latin1 = new TextDecoder("latin1");

/** What waits for one client, and the writing of it. */
export class Viewer {
  /** Resolved when it has all that it will get, or is gone. */
  readonly ended: Promise<void>;
  readonly #end = Promise.withResolvers<void>();
  #waiting: Uint8Array[] = [];
  #bytes = 0;
  /** What came when too much waited: how much, and its end. */
  #late: { bytes: number; end: Tail } | undefined;
  #isEnding = false;
  #isWriting = false;
  #isSlow = false;
  #hasRoom = () => {};

  constructor(private readonly client: Pick<Deno.UnixConn, "write">) {
    this.ended = this.#end.promise;
  }

  /** Queues bytes; loses them when too many wait. */
  push(bytes: Uint8Array): void {
    if (bytes.length === 0 || this.#isEnding) return;
    // Once some are lost all are, until the client has what waits: one gap, not many. The last ones come after it: what was
    // said at the end, a prompt perhaps, is what the client waits for.
    if (this.#late || this.#bytes + bytes.length > MAX_WAITING_BYTES) {
      this.#late ??= { bytes: 0, end: new Tail(REPLAY_BYTES) };
      this.#late.bytes += bytes.length;
      this.#late.end.push(bytes);
      return;
    }
    this.#queue(bytes);
  }

  /** Whether so much waits that more would soon be lost, of a client that is worth waiting for. */
  get isFilling(): boolean {
    return !this.#isSlow && !this.#isEnding && this.#bytes > MAX_WAITING_BYTES / 2;
  }

  /** Resolves when there is room, or when it has not come in time: then it is slow, until all that waits is read. */
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

  /** No more comes: what waits may still be read, for a moment. */
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
