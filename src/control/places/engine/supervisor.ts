/**
 * What runs in a job of an engine: the hidden `fleetbox __job`. It starts the holders of the commands that run in the job, because
 * what such a command starts itself would end with its connection: an engine ends all processes of a session with it.
 *
 *     batch script, exec ─▶ __job ──starts──▶ holder ──▶ QEMU        the job's own processes: they stay
 *     srun ─▶ sshd -i ─▶ up a ──asks, over a unix socket──▶ __job     a session's: they end with it
 *
 * Each command in the job is connected to it while it runs. It ends, and with it the job, when there is neither a holder nor a
 * command; when none comes in time; and, told by SIGTERM, when its holders have shut their guests down. A holder that is killed takes its machines with it: another job would not know them.
 */

import { startLimit } from "../../../core/deadline.ts";
import { variable } from "../../../core/environment.ts";
import { FleetboxError, messageOf, toWireError } from "../../../core/errors.ts";
import { LineSplitter } from "../../../core/lines.ts";
import { completeRecords } from "../../../store/orphans.ts";
import { jobPaths, jobsDir } from "../../../store/places.ts";
import { Store } from "../../../store.ts";
import { makeDirectory, removeIfThere } from "../../../system/files.ts";
import { type HolderProcess, isAlive, startHolder } from "../../../system/process.ts";

/** How long it waits for the first command: a client that waits in the queue looks at least every 15 s. */
const FIRST_MS = 90_000;
/** How long it stays for what the last command said to arrive. */
const LAST_WORDS_MS = 500;
/** How long it stays for commands when its holders have ended. */
const COMMANDS_MS = 10_000;
/** No request is longer: it has the group's options. */
const MAX_REQUEST = 4 * 1024 * 1024;

/**
 * Asks for a holder; a command that needs none only connects. Then come `{"signal":"SIGKILL"}` for it; the answers are {@link Answer}s.
 * `{"stays":true}`, said by itself: it may want another holder when there is none, so the job is to last as long as it does.
 */
export interface StartRequest {
  program: string;
  args: string[];
  log: string;
  env: Record<string, string>;
}

export type Answer = { pid: number } | { line: string | null } | { exited: { code: number; signal: string | null } };

/** @returns the exit code of the job */
export async function runSupervisor(): Promise<number> {
  Deno.umask(0o077);
  const job = variable("FLEETBOX_JOB");
  if (job === undefined) throw new FleetboxError("misuse", "fleetbox __job is run by the job of an engine");
  const store = Store.fromEnvironment();
  store.ensure();
  return await new Supervisor(store, job).run();
}

class Supervisor {
  readonly #paths: ReturnType<typeof jobPaths>;
  readonly #holders = new Set<HolderProcess>();
  /** Those that their clients have sent a signal. */
  readonly #asked = new Set<HolderProcess>();
  /** Requests whose holder is being started. */
  #starting = 0;
  /** Commands that run. */
  #commands = 0;
  /** Those among them for which the job lasts. */
  #staying = 0;
  #isTold = false;
  /** Whether it has started a holder. */
  #hasServed = false;
  /** Whether there was a command. */
  #hasBegun = false;
  #hasFailed = false;
  readonly #ended = Promise.withResolvers<void>();

  constructor(private readonly store: Store, job: string) {
    this.#paths = jobPaths(store.root, job);
  }

  async run(): Promise<number> {
    makeDirectory(jobsDir(this.store.root));
    removeIfThere(this.#paths.socket);
    const listener = Deno.listen({ transport: "unix", path: this.#paths.socket });
    for (const signal of ["SIGTERM", "SIGINT"] as const) Deno.addSignalListener(signal, () => this.#tell(signal));
    const endLimit = startLimit(FIRST_MS, () => {
      if (this.#hasBegun) return;
      log(`no command came within ${FIRST_MS / 1000} s`);
      this.#ended.resolve();
    });
    void this.#accept(listener);
    await this.#ended.promise;
    endLimit();
    listener.close();
    removeIfThere(this.#paths.socket);
    if (this.#isTold || this.#hasFailed) return this.#hasFailed ? 1 : 0; // its record stays: the next command tells why it is over
    for (const path of [this.#paths.record, this.#paths.serving, this.#paths.log]) removeIfThere(path);
    return 0;
  }

  /** The job is to end. */
  #tell(signal: Deno.Signal): void {
    log(`${signal}: ending ${this.#holders.size} groups`);
    this.#isTold = true;
    for (const holder of this.#holders) holder.kill("SIGTERM");
    this.#endIfIdle();
  }

  get #isIdle(): boolean {
    return this.#holders.size === 0 && this.#starting === 0;
  }

  #endIfIdle(): void {
    if (!this.#isIdle) return;
    if (this.#isTold) return this.#ended.resolve();
    if (!this.#hasBegun || this.#staying > 0) return;
    startLimit(this.#commands > 0 ? COMMANDS_MS : LAST_WORDS_MS, () => {
      if (this.#staying > 0 || !this.#isIdle) return;
      if (this.#commands === 0 || this.#hasServed) this.#ended.resolve();
    });
  }

  async #accept(listener: Deno.Listener): Promise<void> {
    try {
      for await (const conn of listener) {
        this.#hasBegun = true;
        this.#commands++;
        void this.#serve(conn).catch((thrown) => log(messageOf(thrown))).finally(() => {
          close(conn);
          this.#commands--;
          this.#endIfIdle();
        });
      }
    } catch { /* it was closed */ }
  }

  async #serve(conn: Deno.Conn): Promise<void> {
    const answer = async (value: Answer | object) => {
      // A client that is gone hears nothing; its holder runs on.
      await conn.write(new TextEncoder().encode(JSON.stringify(value) + "\n")).catch(() => {});
    };
    let holder: HolderProcess | undefined;
    using stay = new DisposableStack();
    const lines = new LineSplitter({ max: MAX_REQUEST });
    for await (const piece of conn.readable.pipeThrough(new TextDecoderStream())) {
      for (const line of lines.push(piece)) {
        const request = JSON.parse(line) as Partial<StartRequest> & { signal?: Deno.Signal; stays?: boolean };
        if (request.stays) {
          this.#staying++;
          stay.defer(() => void this.#staying--);
        } else if (request.signal !== undefined) {
          if (!holder) continue;
          this.#asked.add(holder);
          holder.kill(request.signal);
        } else if (!holder) {
          try {
            holder = await this.#start(request as StartRequest, answer);
          } catch (thrown) {
            await answer(toWireError(thrown));
          }
        }
      }
    }
  }

  async #start({ program, args, log: file, env }: StartRequest, answer: (value: Answer) => Promise<void>) {
    if (this.#isTold) throw new FleetboxError("failed", "The job is about to end");
    this.#starting++;
    try {
      const holder = await startHolder(program, args, { log: file, env });
      this.#holders.add(holder);
      this.#hasServed = true;
      Deno.writeTextFileSync(this.#paths.serving, "");
      void this.#follow(holder, answer);
      return holder;
    } finally {
      this.#starting--;
      this.#endIfIdle();
    }
  }

  async #follow(holder: HolderProcess, answer: (value: Answer) => Promise<void>): Promise<void> {
    await answer({ pid: holder.pid });
    await answer({ line: await holder.firstLine ?? null });
    const exited = await holder.exited;
    if (exited.signal !== null && !this.#asked.has(holder)) {
      this.#hasFailed = true;
      this.#endMachinesOf(holder.pid);
    }
    await answer({ exited });
    this.#holders.delete(holder);
    this.#endIfIdle();
  }

  /** Where the engine ends what a job leaves, this comes before it; where it does not, nothing else does it. */
  #endMachinesOf(pid: number): void {
    log(`the holder ${pid} was killed: its machines end with it`);
    for (const { holder, hypervisors, gateway } of completeRecords(this.store)) {
      if (holder.pid !== pid) continue;
      for (const machine of [...Object.values(hypervisors), ...(gateway ? [gateway] : [])]) {
        try {
          if (isAlive(machine)) Deno.kill(machine.pid, "SIGKILL");
        } catch { /* it has just ended */ }
      }
    }
  }
}

function close(conn: Deno.Conn): void {
  try {
    conn.close();
  } catch { /* its stream has closed it */ }
}

function log(text: string): void {
  console.error(`${new Date().toISOString()} ${text}`);
}
