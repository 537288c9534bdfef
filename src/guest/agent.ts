/**
 * Talks with the agent in a guest ({@link ./agent_program.ts}) over its socket.
 *
 * What is behind the socket may not be the agent: no guest that listens, one that is too busy, one that says whatever it
 * likes. So the wait for each answer has a limit, and what is read has one (`output.ts`). The first exchange changes
 * nothing in the guest: it is repeated until the answer comes, behind enough zeros to end what an earlier holder
 * may have left half said. The others are said once.
 */

import { writeAll } from "../core/bytes.ts";
import { Limit } from "../core/deadline.ts";
import { FleetboxError } from "../core/errors.ts";
import { closeQuietly, dialUnix } from "../system/sockets.ts";
import type { Architecture } from "../vmm/contract.ts";
import { type Call, type Results, results } from "./call_table.ts";
import { agentMessage, agentProgram } from "./agent_program.ts";
import { EndOfOutput, Output } from "./output.ts";
import { replied, replyWithFile } from "./program_file.ts";
import { type GuestKernel, HOSTS } from "./renewal.ts";

/** How long each answer may take, by default. */
const ANSWER_MS = 3_000;
/** When the first message is repeated, while there is no answer. */
const REPEAT_MS = [300, 1_000, 2_000];
/** More than a message without a file has. */
const ZEROS = new Uint8Array(4096);

const MARK_BYTES = 16;

type Port = Pick<Deno.Conn, "read" | "write" | "close">;

interface AgentOptions {
  /** The guest's. */
  arch: Architecture;
  signal: AbortSignal;
  /** How long each answer may take. */
  answerMs?: number;
}

export class Agent implements GuestKernel, Disposable {
  readonly #output = new Output();
  readonly #answerMs: number;
  readonly #limit: Limit;
  readonly #close = () => closeQuietly(this.port);
  #isThere = false;
  #said = Promise.resolve();

  private constructor(private readonly port: Port, private readonly options: AgentOptions) {
    this.#answerMs = options.answerMs ?? ANSWER_MS;
    this.#limit = new Limit(this.#answerMs);
    options.signal.addEventListener("abort", this.#close);
    this.#limit.signal.addEventListener("abort", this.#close);
    void this.#hear();
  }

  /**
   * Connects. What it is asked for then throws {FleetboxError}: `timeout`, `failed` (the port was closed), `protocol`; or
   * the signal's reason.
   * @throws {FleetboxError} `not-found`: no hypervisor listens there; the signal's reason
   */
  static async reach(socket: string, options: AgentOptions): Promise<Agent> {
    const conn = await dialUnix(socket);
    if (!conn) throw new FleetboxError("not-found", `nobody listens at ${socket}`);
    const agent = Agent.over(conn, options);
    if (options.signal.aborted) agent[Symbol.dispose]();
    options.signal.throwIfAborted();
    return agent;
  }

  /** The same over a connection. */
  static over(port: Port, options: AgentOptions): Agent {
    return new Agent(port, options);
  }

  async ready(): Promise<void> {
    if (!this.#isThere) await this.#exchange(replied([], this.#wait), [], { isFirst: true });
  }

  async file(): Promise<Uint8Array | number> {
    const { calls, bytes } = replyWithFile(HOSTS, this.#wait);
    const length = bytes(await this.#exchange(calls, [], { isFirst: !this.#isThere }));
    return length < 0 ? length : await this.#told(this.#output.read(length));
  }

  async call(calls: readonly Call[], back: Uint8Array[] = []): Promise<Results> {
    return await this.#exchange(replied(calls, this.#wait), back, { isFirst: false });
  }

  get #wait(): number {
    return agentProgram(this.options.arch).wait;
  }

  async #exchange(calls: readonly Call[], back: Uint8Array[], { isFirst }: { isFirst: boolean }): Promise<Results> {
    this.#limit.restart();
    const mark = crypto.getRandomValues(new Uint8Array(MARK_BYTES));
    const { table, message } = agentMessage(this.options.arch, calls, [...back, mark]);
    this.#say(message);
    const repeats = (isFirst ? REPEAT_MS : []).map((ms) =>
      setTimeout(() => {
        this.#say(ZEROS);
        this.#say(message);
      }, ms)
    );
    try {
      const answer = results(table, await this.#told(this.#output.readTo(mark)));
      this.#isThere = true;
      return answer;
    } finally {
      repeats.forEach(clearTimeout);
    }
  }

  /** What was heard. @throws why it was not */
  async #told(heard: Promise<Uint8Array>): Promise<Uint8Array> {
    try {
      return await heard;
    } catch (thrown) {
      this.options.signal.throwIfAborted();
      if (this.#limit.signal.aborted) throw new FleetboxError("timeout", `no answer in ${this.#answerMs / 1000} s`);
      throw thrown instanceof EndOfOutput ? new FleetboxError("failed", "its port was closed") : thrown;
    }
  }

  /** Never rejects: a port that is closed gives no answer. */
  #say(bytes: Uint8Array): void {
    this.#said = this.#said.then(() => writeAll(this.port, bytes)).catch(() => {});
  }

  async #hear(): Promise<void> {
    const buffer = new Uint8Array(16 * 1024);
    try {
      for (let count; (count = await this.port.read(buffer)) !== null;) this.#output.push(buffer.slice(0, count));
    } catch { /* it is closed */ }
    this.#output.end();
  }

  [Symbol.dispose](): void {
    this.options.signal.removeEventListener("abort", this.#close);
    this.#limit[Symbol.dispose]();
    this.#close();
  }
}
