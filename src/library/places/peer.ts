/**
 * The library at a place, as a program here calls it: one SSH session, over which `calls.ts` goes. It keeps the program alive
 * only while a call is under way, and ends with it.
 */

import { commandThere, PlaceConnection } from "../../control/places/connection.ts";
import { environmentFor } from "../../control/places/known.ts";
import { isMirrored } from "../../core/environment.ts";
import { FleetboxError, fromWireError } from "../../core/errors.ts";
import { LineSplitter } from "../../core/lines.ts";
import type { Place } from "../../store/places.ts";
import { type Call, type Calls, LIBRARY_COMMAND, LIBRARY_PROTOCOL, MAX_LINE, type Reply } from "./calls.ts";

/** How much of what is said there on standard error is kept for an error. */
const TAIL = 4_000;

interface CallOptions {
  /** The number of the group that it is about. */
  group?: number;
  signal?: AbortSignal;
}

export class Peer {
  /** Resolves when it is over, for any reason. */
  readonly ended: Promise<void>;
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #waiting = new Map<number, (reply: Reply | FleetboxError) => void>();
  readonly #greeting = Promise.withResolvers<void>();
  #calls = 0;
  #said = "";
  #isGreeted = false;
  #isClosed = false;
  #lost: FleetboxError | undefined;

  private constructor(
    private readonly connection: PlaceConnection,
    private readonly place: Place,
    env: Record<string, string>,
  ) {
    const line = commandThere(place, { ...environmentFor(place), ...env }, [LIBRARY_COMMAND]);
    const [program, args] = connection.session(["-T"], line);
    this.#child = new Deno.Command(program, {
      args,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
      detached: true, // Ctrl-C is for this program, which may end its groups in order
    }).spawn();
    this.#writer = this.#child.stdin.getWriter();
    this.#greeting.promise.catch(() => {});
    this.ended = this.#read();
  }

  /** @param env further variables for it @throws {FleetboxError} `unavailable`: fleetbox there does not do this; why the place cannot be reached */
  static async start(connection: PlaceConnection, place: Place, env: Record<string, string>): Promise<Peer> {
    await connection.open({ quietly: true });
    const peer = new Peer(connection, place, env);
    await peer.#greeting.promise;
    peer.#rest();
    return peer;
  }

  get isLost(): boolean {
    return this.#lost !== undefined;
  }

  /** @throws {FleetboxError} what the call throws there, with its code; `failed`: the connection is over */
  async call<C extends Call>(call: C, fields: Calls[C][0], { group, signal }: CallOptions = {}): Promise<Calls[C][1]> {
    if (this.#lost) throw this.#lost;
    const id = ++this.#calls;
    const { promise, resolve } = Promise.withResolvers<Reply | FleetboxError>();
    this.#waiting.set(id, resolve);
    this.#child.ref();
    const cancel = () => this.#say({ cancel: id });
    signal?.addEventListener("abort", cancel);
    try {
      this.#say({ id, group, call, fields });
      if (signal?.aborted) cancel();
      const reply = await promise;
      if (reply instanceof FleetboxError) throw reply;
      if (reply.error) throw fromWireError(reply.error);
      return reply.result as Calls[C][1];
    } finally {
      signal?.removeEventListener("abort", cancel);
      this.#waiting.delete(id);
      this.#rest();
    }
  }

  /** Ends it, with all machines that it made. Calling it twice is fine. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#child.ref();
    await this.#writer.close().catch(() => {});
    await this.ended;
  }

  #rest(): void {
    if (this.#waiting.size === 0 && this.#isGreeted && !this.#isClosed) this.#child.unref();
  }

  #say(what: unknown): void {
    this.#writer.write(new TextEncoder().encode(`${JSON.stringify(what)}\n`)).catch(() => {}); // its end is told
  }

  async #read(): Promise<void> {
    const told = this.#readErrors();
    const lines = new LineSplitter({ max: MAX_LINE, who: `fleetbox at "${this.place.name}"` });
    let why: unknown;
    try {
      for await (const piece of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
        for (const line of lines.push(piece)) this.#take(line);
      }
    } catch (thrown) {
      why = thrown;
      this.#kill();
    }
    const { code } = await this.#child.status;
    await told;
    const lost = why instanceof FleetboxError ? why : await this.#whyLost(code);
    this.#lost = lost;
    this.#greeting.reject(lost);
    for (const answer of this.#waiting.values()) answer(lost);
  }

  async #readErrors(): Promise<void> {
    for await (const piece of this.#child.stderr.pipeThrough(new TextDecoderStream())) {
      if (isMirrored("wire") || isMirrored("qmp")) console.error(piece.trimEnd());
      this.#said = (this.#said + piece).slice(-TAIL);
    }
  }

  /** What the user's shell prints at its start comes before the greeting. */
  #take(line: string): void {
    if (this.#isGreeted) {
      const reply = JSON.parse(line) as Reply;
      this.#waiting.get(reply.id)?.(reply);
      return;
    }
    if (!line.startsWith('{"library":')) return;
    const { library, version } = JSON.parse(line);
    if (library !== LIBRARY_PROTOCOL) throw this.#otherVersion(version);
    this.#isGreeted = true;
    this.#greeting.resolve();
  }

  #kill(): void {
    try {
      this.#child.kill("SIGTERM");
    } catch { /* it has ended */ }
  }

  #otherVersion(version: string): FleetboxError {
    const { name, url } = this.place;
    return new FleetboxError(
      "unavailable",
      `The place "${name}" has ${version}, which does not do what this version of the library asks for`,
      { hint: `Bring the same one there: fleetbox place add ${name} ${url}` },
    );
  }

  async #whyLost(code: number): Promise<FleetboxError> {
    const { name, version } = this.place;
    if (this.#isClosed) return new FleetboxError("conflict", `The machines at "${name}" were closed`);
    if (!this.#isGreeted && code !== 255) {
      const before = this.#said.includes(`"${LIBRARY_COMMAND}"`) ? this.#otherVersion(version) : undefined;
      return before ??
        new FleetboxError("unavailable", `fleetbox does not run at "${name}": ${this.#said.trim() || `code ${code}`}`, {
          hint: `Look at it: fleetbox place check ${name}`,
        });
    }
    if (!this.#isGreeted) {
      return new FleetboxError("unavailable", `Cannot reach the place "${name}": ${this.#said.trim()}`);
    }
    const why = await this.connection.explain().catch(() => undefined);
    if (why) return why;
    const how = await this.connection.isOpen() ? "fleetbox there was ended" : "the connection to it is over";
    return new FleetboxError(
      "failed",
      `The place "${name}" answers no more: ${how}; this program's machines there end`,
    );
  }
}
