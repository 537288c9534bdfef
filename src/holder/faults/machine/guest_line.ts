/**
 * The way to a guest's kernel that all faults in the guest share: one conversation at a time, since an agent has one client.
 *
 * Where there is no agent, a program runs in an SSH session. What it holds there (memory, files without a name) would go with
 * the session, so it is kept while any fault needs it.
 */

import { LATE, Limit, within } from "../../../core/deadline.ts";
import { FleetboxError, messageOf } from "../../../core/errors.ts";
import { Agent } from "../../../guest/agent.ts";
import { GuestCalls } from "../../../guest/faults/guest_calls.ts";
import { EndOfOutput } from "../../../guest/output.ts";
import type { GuestKernel } from "../../../guest/renewal.ts";
import { SshProgram } from "../../../guest/ssh_program.ts";
import type { SshEndpoint } from "../../../wire.ts";
import type { GuestWay, MachineRun } from "../../member/machine_run.ts";
import type { Member } from "../../member/member.ts";
import { runOf } from "../../member/phases.ts";
import { Turns } from "../turns.ts";

/** How long a guest may take for an answer: an emulated one has to fill much memory in one call. */
const ANSWER_MS = 8_000;
/** How long one conversation may take: less than the client waits for a fault (`control/faults.ts`). */
const TALK_MS = 60_000;
const CONNECT_SECONDS = 10;

/** By run; a machine that is gone is forgotten. */
const all = new WeakMap<MachineRun, GuestLine>();

/** What is kept open in a guest without an agent. */
interface Session {
  program: SshProgram;
  guest: GuestCalls;
  over: AbortController;
}

export class GuestLine {
  readonly #turns = new Turns();
  readonly #holders = new Map<string, (why: string) => void>();
  #session: Session | undefined;
  /** Where the session is, or would be: as root where root takes the key. */
  #isRoot: boolean;

  private constructor(private readonly member: Member, run: MachineRun, readonly way: GuestWay) {
    this.#isRoot = way.isRoot;
    run.defer(() => this.#end());
  }

  /** @throws {FleetboxError} `conflict`: it has no machine, or that is not known yet */
  static of(member: Member): GuestLine {
    const run = runOf(member.phases.now);
    if (!run?.guest) throw new FleetboxError("conflict", `"${member.name}" does not run`);
    let line = all.get(run);
    if (!line) all.set(run, line = new GuestLine(member, run, run.guest));
    return line;
  }

  /** Whether it is an image of ours, in which nothing keeps the clock right. */
  get isAgent(): boolean {
    return this.way.agentSocket !== undefined;
  }

  /** The session is kept for this holder from now on. @param onLost called when it ends, and what it held is gone */
  hold(holder: string, onLost: (why: string) => void): void {
    this.#holders.set(holder, onLost);
  }

  /** It is not needed any more. */
  release(holder: string): void {
    this.#holders.delete(holder);
    void this.#turns.take("talk", async () => {
      if (this.#holders.size === 0) await this.#end();
    });
  }

  /**
   * One conversation.
   * @throws {FleetboxError} `failed`: the guest does not answer; what the work throws
   */
  async talk<T>(work: (guest: GuestCalls) => Promise<T>): Promise<T> {
    return await this.#turns.take("talk", async () => {
      using limit = new Limit(TALK_MS);
      const { signal } = limit;
      return this.isAgent ? await this.#byAgent(work, signal) : await this.#bySsh(work, signal);
    });
  }

  async #byAgent<T>(work: (guest: GuestCalls) => Promise<T>, signal: AbortSignal): Promise<T> {
    const { arch, agentSocket } = this.way;
    using agent = await Agent.reach(agentSocket!, { arch, signal, answerMs: ANSWER_MS });
    return await work(this.#callsOf(agent, (thrown) => Promise.resolve(thrown))); // which has its own limit
  }

  async #bySsh<T>(work: (guest: GuestCalls) => Promise<T>, signal: AbortSignal): Promise<T> {
    const { guest, over } = this.#session ??= await this.#open(signal);
    const end = () => over.abort();
    signal.addEventListener("abort", end);
    try {
      return await work(guest);
    } finally {
      signal.removeEventListener("abort", end);
      if (this.#holders.size === 0) await this.#end();
    }
  }

  async #open(signal: AbortSignal): Promise<Session> {
    for (;;) {
      const over = new AbortController();
      const end = () => over.abort();
      signal.addEventListener("abort", end);
      const program = new SshProgram(this.endpoint, {
        key: this.member.context.store.key,
        arch: this.way.arch,
        signal: over.signal,
        connectSeconds: CONNECT_SECONDS,
      });
      const failure = async (thrown: unknown) => await program.failure(thrown, "run a program in it as root");
      try {
        await program.kernel.ready();
        const late = async <T>(answer: Promise<T>): Promise<T> => {
          const given = await within(ANSWER_MS, answer);
          if (given !== LATE) return given;
          over.abort();
          throw new FleetboxError("timeout", `no answer in ${ANSWER_MS / 1_000} s`);
        };
        const { kernel } = program;
        const limited: GuestKernel = {
          ready: () => late(kernel.ready()),
          file: () => late(kernel.file()),
          call: (calls, back) => late(kernel.call(calls, back)),
        };
        const guest = this.#callsOf(limited, async (thrown) => (await failure(thrown)).error);
        const session = { program, guest, over };
        void program.ended.then(() => this.#lost(session));
        return session;
      } catch (thrown) {
        const { why, error } = await failure(thrown);
        await program[Symbol.asyncDispose]();
        if (why !== "denied" || !this.#isRoot) throw this.#silent(error);
        this.#isRoot = false;
      } finally {
        signal.removeEventListener("abort", end);
      }
    }
  }

  /** A kernel whose silence is told as that of this member's guest. */
  #callsOf(kernel: GuestKernel, why: (thrown: unknown) => Promise<unknown>): GuestCalls {
    const told = async <T>(answer: Promise<T>): Promise<T> => {
      try {
        return await answer;
      } catch (thrown) {
        throw this.#silent(await why(thrown));
      }
    };
    return new GuestCalls({
      ready: () => told(kernel.ready()),
      file: () => told(kernel.file()),
      call: (calls, back) => told(kernel.call(calls, back)),
    });
  }

  #silent(cause: unknown): FleetboxError {
    const { name } = this.member;
    const why = cause instanceof EndOfOutput ? "there is no SSH connection" : messageOf(cause);
    return new FleetboxError("failed", `The guest of "${name}" does not answer: ${why}`, {
      hint: `See what it does: fleetbox console ${name}`,
    });
  }

  /** How root, or a user who may become root, is reached over SSH. */
  get endpoint(): SshEndpoint {
    const ssh = runOf(this.member.phases.now)?.ssh;
    if (!ssh) throw new FleetboxError("conflict", `"${this.member.name}" does not run`);
    const port = this.member.sshPort ?? ssh.port;
    return { ...ssh, port, ...(this.#isRoot ? { user: "root" } : {}) };
  }

  #lost(session: Session): void {
    if (this.#session !== session) return;
    this.#session = undefined;
    const holders = [...this.#holders.values()];
    this.#holders.clear();
    for (const onLost of holders) onLost("the SSH session that held it has ended");
  }

  async #end(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    await session?.program[Symbol.asyncDispose]();
  }
}
