/**
 * Unix stream sockets for both halves: connect (a missing listener is a result, not an error), read text, read lines.
 *
 * A socket file proves nothing; an answered connect does. A full backlog (1,000 clients at once) is not a missing
 * listener: the connect is tried again until the holder has caught up. Imports errors, lines and the system's facts
 * only. `FLEETBOX_DEBUG=wire` mirrors the traffic to standard error.
 */

import { writeAll } from "../core/bytes.ts";
import { isMirrored } from "../core/environment.ts";
import { pause } from "../core/deadline.ts";
import { FleetboxError, isNotFound } from "../core/errors.ts";
import { host } from "./os.ts";
import { type LineOptions, LineSplitter } from "../core/lines.ts";

/** A connected unix stream socket. */
export interface UnixConnection {
  /** The next piece as text; "" at the end. @throws when the connection broke or we closed it. */
  read(): Promise<string>;
  write(text: string): Promise<void>;
  /** Calling it twice is fine. */
  close(): void;
}

/** How often and how long a connect is retried while the listener's backlog is full. */
const BUSY_RETRIES = 200;
const BUSY_DELAY_MS = 10;

/** Connects; undefined when no program listens there. */
export async function connectUnix(path: string): Promise<UnixConnection | undefined> {
  const conn = await dialUnix(path);
  return conn && wrap(conn);
}

/** Whether a program listens on a socket. */
export async function isAnswered(socket: string): Promise<boolean> {
  const other = await connectUnix(socket);
  other?.close();
  return other !== undefined;
}

/** The same for a stream that is not text: the connection as it is. */
export async function dialUnix(path: string): Promise<Deno.UnixConn | undefined> {
  for (let attempt = 0;; attempt++) {
    try {
      return await Deno.connect({ transport: "unix", path });
    } catch (thrown) {
      const nobody = isNotFound(thrown) || thrown instanceof Deno.errors.ConnectionRefused ||
        thrown instanceof Deno.errors.ConnectionReset || // it stopped listening just now
        thrown instanceof Deno.errors.NotADirectory;
      if (nobody) return undefined;
      const busy = thrown instanceof Deno.errors.WouldBlock ||
        new RegExp(`os error ${host().againNumber}\\b|temporarily unavailable`).test(String(thrown));
      if (!busy || attempt >= BUSY_RETRIES) {
        throw new FleetboxError("failed", `Cannot connect to the socket ${path}`, { cause: thrown });
      }
      await pause(BUSY_DELAY_MS);
    }
  }
}

function wrap(conn: Deno.UnixConn): UnixConnection {
  const buffer = new Uint8Array(16 * 1024);
  const decoder = new TextDecoder();
  const encoder = new TextEncoder();
  let open = true;
  return {
    async read() {
      for (;;) {
        const count = await conn.read(buffer);
        if (count === null) return decoder.decode();
        const text = decoder.decode(buffer.subarray(0, count), { stream: true });
        if (text === "") continue;
        trace("<", text);
        return text;
      }
    },
    async write(text) {
      trace(">", text);
      await writeAll(conn, encoder.encode(text));
    },
    close() {
      if (!open) return;
      open = false;
      closeQuietly(conn);
    },
  };
}

/** Closes a connection, which the other side may have closed already. */
export function closeQuietly(conn: Pick<Deno.UnixConn, "close">): void {
  try {
    conn.close();
  } catch { /* it is closed */ }
}

/** The longest line of a holder's reply: a report of the largest group has a tenth of it. */
const MAX_LINE = 4 * 1024 * 1024;

/**
 * The lines of a connection, without their newlines; a last line may lack one.
 * @throws {FleetboxError} `protocol`: a line is longer than `options` allow, 4 Mi characters by default.
 */
export async function* readLines(
  connection: Pick<UnixConnection, "read">,
  options: LineOptions = { max: MAX_LINE },
): AsyncGenerator<string> {
  const lines = new LineSplitter(options);
  for (let piece = await connection.read(); piece !== ""; piece = await connection.read()) yield* lines.push(piece);
  const rest = lines.rest();
  if (rest !== "") yield rest;
}

const tracing = isMirrored("wire");

function trace(direction: "<" | ">", text: string): void {
  if (tracing) console.error(`wire ${direction} ${text.trimEnd()}`);
}
