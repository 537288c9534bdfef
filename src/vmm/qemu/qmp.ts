/**
 * A small client of QMP, QEMU's control protocol: JSON values, one a line, over a unix socket.
 *
 * QEMU greets, we negotiate (`qmp_capabilities`), then commands and events share the line: every command carries an
 * id, its reply carries it back, and events may arrive between the two, so everything is demultiplexed here. One
 * client at a time: a second one is accepted by the kernel but not greeted until the first has left.
 *
 * QEMU creates the socket itself, 15 to 30 ms after exec, without any event. {@link QmpClient.connect} therefore tries
 * again, after 2 ms, then 3, 4.5, at most 6: about five tries of 50 µs. That costs no time, because QEMU needs another
 * 10 to 25 ms before it answers, and the wait for that answer is an event. (QEMU could connect to us instead, but then
 * no later holder could adopt the machine.)
 *
 * A client lives as long as its connection. It knows nothing of machines (see `qemu/process.ts`). Reference:
 * docs/interop/qmp-spec.txt in QEMU. `FLEETBOX_DEBUG=qmp` mirrors the traffic to standard error.
 */

import { isMirrored } from "../../core/environment.ts";
import { FleetboxError, isNotFound, messageOf } from "../../core/errors.ts";
import { pause, startLimit } from "../../core/deadline.ts";
import { LineSplitter } from "../../core/lines.ts";

/** The longest accepted line from QEMU; our longest reply (`query-block`) has a few KiB. */
export const MAX_LINE_LENGTH = 4 * 1024 * 1024;
/** The default `timeoutMs` of a command: generous, for hosts under load. */
const COMMAND_TIMEOUT_MS = 10_000;
/** How long what QEMU sent before its connection broke may take to be read. */
const LAST_WORDS_MS = 1_000;

/** A command's arguments, or a reply's members. */
type Json = Record<string, unknown>;

/** An event, as QEMU sends it. */
export interface QmpEvent {
  event: string;
  data: Json;
  /** Seconds since 1970, with microseconds. */
  timestamp?: { seconds: number; microseconds: number };
}

/** QEMU refused a command. `class` is QMP's own, most often `GenericError`. */
export class QmpCommandError extends FleetboxError {
  constructor(readonly command: string, readonly errorClass: string, readonly description: string) {
    super("failed", `QEMU refused ${command}: ${description}`);
  }
}

/** The connection is gone: closed by us, ended by QEMU, or broken by malformed input. */
export class QmpClosedError extends FleetboxError {}

export interface ConnectOptions {
  /** How long the socket may take to appear and QEMU to greet. @default 30000 */
  timeoutMs?: number;
  /** Ends the attempt; its reason is thrown. */
  signal?: AbortSignal;
  /** Whether a missing socket is tried again. @default true */
  retry?: boolean;
  /** Called with each event, in order, from the first on. */
  onEvent?: (event: QmpEvent) => void;
}

interface Pending {
  command: string;
  resolve(value: unknown): void;
  reject(error: Error): void;
}

export class QmpClient {
  /** Resolves when the connection is over, with the reason; undefined after {@link close}. Never rejects. */
  readonly closed: Promise<Error | undefined>;
  /** QEMU's version from its greeting, as `[7, 2, 22]`. */
  version: [number, number, number] = [0, 0, 0];
  /** Who built it, from its greeting; may be empty. */
  build = "";
  /** Called when a command waits for its reply, and when none does any more. */
  onWaiting: (isWaiting: boolean) => void = () => {};

  readonly #conn: Deno.Conn;
  readonly #onEvent?: (event: QmpEvent) => void;
  readonly #pending = new Map<number, Pending>();
  readonly #greeted = Promise.withResolvers<void>();
  #nextId = 1;
  #over: { reason: Error } | undefined;
  #writing: Promise<unknown> = Promise.resolve();

  private constructor(conn: Deno.Conn, onEvent?: (event: QmpEvent) => void) {
    this.#conn = conn;
    this.#onEvent = onEvent;
    this.#greeted.promise.catch(() => {});
    this.closed = this.#read();
  }

  /**
   * Connects, waits for the greeting, and negotiates. Once it resolves, QEMU's main loop runs: every socket and disk
   * of its command line is open.
   * @throws {FleetboxError} `timeout`; `conflict`: another client has the socket; {@link QmpClosedError}.
   */
  static async connect(path: string, options: ConnectOptions = {}): Promise<QmpClient> {
    const { timeoutMs = 30_000, signal, retry = true, onEvent } = options;
    const over = new AbortController();
    const limit = over.signal;
    const endLimit = startLimit(timeoutMs, () => over.abort());
    let conn: Deno.Conn;
    try {
      conn = await connectWhenThere(path, retry, limit, signal);
    } catch (thrown) {
      endLimit();
      throw thrown;
    }
    const client = new QmpClient(conn, onEvent);
    const giveUp = () => {
      client.#end(
        signal?.aborted ? asError(signal.reason) : new FleetboxError(
          "timeout",
          `QEMU did not greet at ${path} within ${timeoutMs} ms; another program may hold its control socket`,
        ),
      );
    };
    limit.addEventListener("abort", giveUp);
    signal?.addEventListener("abort", giveUp);
    if (signal?.aborted) giveUp();
    try {
      await client.#greeted.promise;
      await client.execute("qmp_capabilities", undefined, { timeoutMs });
      return client;
    } catch (thrown) {
      client.close();
      throw thrown;
    } finally {
      endLimit();
      signal?.removeEventListener("abort", giveUp);
    }
  }

  /** Whether commands can still be sent. */
  get open(): boolean {
    return this.#over === undefined;
  }

  /**
   * Runs a command and returns its result.
   * @throws {QmpCommandError} QEMU refused it. {@link QmpClosedError}: the connection ended first. `timeout`.
   */
  execute<T = Json>(command: string, args?: Json, options: { timeoutMs?: number } = {}): Promise<T> {
    const { timeoutMs = COMMAND_TIMEOUT_MS } = options;
    if (this.#over) return Promise.reject(closedDuring(command, this.#over.reason));
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const endLimit = startLimit(timeoutMs, () => {
      this.#settled(id);
      reject(new FleetboxError("timeout", `QEMU did not answer ${command} within ${timeoutMs} ms`));
    });
    const settle = <V>(then: (value: V) => void) => (value: V) => {
      endLimit();
      then(value);
    };
    if (this.#pending.size === 0) this.onWaiting(true);
    this.#pending.set(id, { command, resolve: settle((value) => resolve(value as T)), reject: settle(reject) });
    this.#send(args === undefined ? { execute: command, id } : { execute: command, arguments: args, id });
    return promise;
  }

  /** Runs a command of the human monitor, where QMP has none. Its errors come as text in the result. */
  async humanMonitor(commandLine: string, options: { timeoutMs?: number } = {}): Promise<string> {
    const said = await this.execute("human-monitor-command", { "command-line": commandLine }, options);
    return asText(said, "").replaceAll("\r\n", "\n");
  }

  /** Closes the connection; pending commands are rejected. QEMU runs on, and greets the next client. */
  close(): void {
    this.#end(undefined);
  }

  #send(message: Json): void {
    const line = JSON.stringify(message);
    trace(">", line);
    // One write at a time, so that lines cannot mix; a failed write ends the connection, which rejects pending
    // commands.
    this.#writing = this.#writing.then(async () => {
      let rest = new TextEncoder().encode(line + "\n");
      while (rest.length > 0 && !this.#over) rest = rest.subarray(await this.#conn.write(rest));
    }).catch((cause) => this.#endSoon(new QmpClosedError("failed", "QEMU's control connection broke", { cause })));
  }

  /** QEMU takes nothing any more. What it sent before is still to be read: of a guest that shut down, that it did. */
  #endSoon(reason: Error): void {
    if (this.#over) return;
    const endLimit = startLimit(LAST_WORDS_MS, () => this.#end(reason));
    this.closed.then(endLimit);
  }

  async #read(): Promise<Error | undefined> {
    const decoder = new TextDecoder();
    const buffer = new Uint8Array(16 * 1024);
    const lines = new LineSplitter({ max: MAX_LINE_LENGTH, who: "QEMU" });
    try {
      for (;;) {
        const count = await this.#conn.read(buffer);
        if (count === null) break;
        for (const line of lines.push(decoder.decode(buffer.subarray(0, count), { stream: true }))) {
          if (line.trim() !== "") this.#receive(line.trim());
        }
      }
      this.#end(new QmpClosedError("failed", "QEMU closed its control connection"));
    } catch (cause) {
      this.#end(new QmpClosedError("failed", "QEMU's control connection broke", { cause }));
    }
    return this.#closedByUs ? undefined : this.#over?.reason;
  }

  #closedByUs = false;

  #receive(line: string): void {
    if (this.#over) return;
    trace("<", line);
    const message = decodeMessage(line);
    if (message.kind === "event") return this.#tell(message.event);
    if (message.kind === "greeting") {
      this.version = message.version;
      this.build = message.build;
      return this.#greeted.resolve();
    }
    const pending = this.#pending.get(message.id as number);
    if (!pending) return; // its command timed out
    this.#settled(message.id as number);
    const { error } = message;
    if (error) pending.reject(new QmpCommandError(pending.command, error.class, error.desc));
    else pending.resolve(message.value);
  }

  #settled(id: number): void {
    if (this.#pending.delete(id) && this.#pending.size === 0) this.onWaiting(false);
  }

  #tell(event: QmpEvent): void {
    try {
      this.#onEvent?.(event);
    } catch (thrown) {
      reportError(thrown); // a listener's defect must be visible, but must not end the reader
    }
  }

  #end(reason: Error | undefined): void {
    if (this.#over) return;
    this.#closedByUs = reason === undefined;
    this.#over = { reason: reason ?? new QmpClosedError("failed", "The control connection was closed by fleetbox") };
    try {
      this.#conn.close();
    } catch { /* it is already closed */ }
    this.#greeted.reject(this.#over.reason);
    for (const { command, reject } of this.#pending.values()) reject(closedDuring(command, this.#over.reason));
    if (this.#pending.size > 0) this.onWaiting(false);
    this.#pending.clear();
  }
}

/** A message from QEMU: a greeting, an event, or the end of a command. */
type QmpMessage =
  | { kind: "greeting"; version: [number, number, number]; build: string }
  | { kind: "event"; event: QmpEvent }
  | { kind: "reply"; id: unknown; value: unknown; error?: { class: string; desc: string } };

/**
 * Decodes one line. Pure. A QEMU that its guest controls may send anything, so fields of a wrong type are left out.
 * @throws {FleetboxError} `protocol`: it is not a JSON object.
 */
export function decodeMessage(line: string): QmpMessage {
  let message: Json;
  try {
    message = JSON.parse(line);
    if (!isObject(message)) throw new Error("not a JSON object");
  } catch (cause) {
    const shown = line.length > 200 ? line.slice(0, 200) + "…" : line;
    throw new FleetboxError("protocol", `QEMU's control socket sent a line that is not QMP: ${JSON.stringify(shown)}`, {
      cause,
    });
  }
  if (typeof message.event === "string") {
    const { event, data, timestamp } = message;
    return { kind: "event", event: { event, data: object(data), timestamp: timestamp as QmpEvent["timestamp"] } };
  }
  if (Object.hasOwn(message, "QMP")) {
    const version = object(object(message.QMP).version);
    const { major, minor, micro } = object(version.qemu);
    return {
      kind: "greeting",
      version: [number(major), number(minor), number(micro)],
      build: asText(version.package, ""),
    };
  }
  const { id, return: value } = message;
  if (!Object.hasOwn(message, "error")) return { kind: "reply", id, value };
  const { class: errorClass, desc } = object(message.error);
  const error = { class: asText(errorClass, "GenericError"), desc: asText(desc, "without a reason") };
  return { kind: "reply", id, value, error };
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function object(value: unknown): Json {
  return isObject(value) ? value : {};
}

function number(value: unknown): number {
  return typeof value === "number" ? value : 0;
}

/** A field that should be text, as text, whatever it is. */
export function asText(value: unknown, otherwise: string): string {
  return typeof value === "string" ? value : otherwise;
}

async function connectWhenThere(
  path: string,
  retry: boolean,
  limit: AbortSignal,
  signal?: AbortSignal,
): Promise<Deno.Conn> {
  for (let delayMs = 2;; delayMs = Math.min(delayMs * 1.5, 6)) {
    if (signal?.aborted) throw asError(signal.reason);
    try {
      return await Deno.connect({ transport: "unix", path });
    } catch (cause) {
      const absent = isNotFound(cause) || cause instanceof Deno.errors.ConnectionRefused;
      if (!absent || !retry || limit.aborted) {
        const code = limit.aborted ? "timeout" : absent ? "not-found" : "failed";
        throw new FleetboxError(code, `Cannot connect to QEMU at ${path}`, { cause });
      }
    }
    await pause(delayMs);
  }
}

function closedDuring(command: string, reason: Error): QmpClosedError {
  return new QmpClosedError("failed", `QEMU did not answer ${command}: its control connection is closed`, {
    cause: reason,
  });
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new FleetboxError("interrupted", messageOf(reason));
}

const tracing = isMirrored("qmp");
function trace(direction: "<" | ">", line: string): void {
  if (tracing) console.error(`qmp ${direction} ${line}`);
}
