/**
 * The real executable as a child process: its output as it comes, signals to it, its end.
 *
 * `FLEETBOX_TEST_EXE` names a compiled one; else it is this checkout's. With `FLEETBOX_TEST_PATH` beside it, that
 * is all that the commands of a test find on their `PATH`.
 */

import { fileURLToPath } from "node:url";

const COMPILED = Deno.env.get("FLEETBOX_TEST_EXE");

/** Whether the compiled executable is tested. */
export const IS_COMPILED = COMPILED !== undefined;

export const FLEETBOX = COMPILED ?? fileURLToPath(new URL("../../bin/fleetbox", import.meta.url));

/** A command that has ended. */
export interface Result {
  args: readonly string[];
  code: number;
  signal: string | null;
  stdout: string;
  stderr: string;
  ms: number;
}

/** No command of a test takes this long, even on a slow machine, unless it boots another image than micro. */
const LIMIT_MS = 120_000;

export interface CommandOptions {
  /** Another program than {@link FLEETBOX}. */
  program?: string;
  cwd?: string;
  /** When it is killed. @default 120000 */
  limitMs?: number;
}

/**
 * A command that runs. Nothing about it can end the test runner: its end may be awaited late or never, and a process that
 * it started and that keeps its output open does not keep a test from ending.
 */
export class Running {
  /** Resolves at its end. Rejects when it does not end within the limit, or at {@link end}; it is killed then. */
  readonly done: Promise<Result>;
  readonly pid: number;
  readonly #limitMs: number;
  #stdout = "";
  #stderr = "";
  #ended = false;
  /** How it ended, once it has. */
  #how = "";
  #listeners = new Set<() => void>();
  readonly #over = new AbortController();
  readonly #child: Deno.ChildProcess;

  constructor(readonly args: readonly string[], env: Record<string, string>, options: CommandOptions = {}) {
    this.#limitMs = options.limitMs ?? LIMIT_MS;
    this.#child = new Deno.Command(options.program ?? FLEETBOX, {
      args: [...args],
      env,
      clearEnv: true,
      cwd: options.cwd,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.pid = this.#child.pid;
    this.done = this.#run();
    this.done.catch(() => {}); // a caller that awaits it gets the error
  }

  get stdout(): string {
    return this.#stdout;
  }
  get stderr(): string {
    return this.#stderr;
  }

  get hasEnded(): boolean {
    return this.#ended;
  }

  kill(signal: Deno.Signal): void {
    if (this.#ended) return;
    try {
      this.#child.kill(signal);
    } catch { /* it has ended, and another process has its output open */ }
  }

  /** Kills it and reads no more of its output, whatever else has that open. @returns when it has ended. */
  async end(why = "was ended with its test"): Promise<void> {
    if (!this.#ended) this.#giveUp(why);
    await this.done.catch(() => {});
  }

  #giveUp(why: string): void {
    this.#how = `(it ${why})`;
    this.kill("SIGKILL");
    this.#over.abort(new Error(`${this.#title()} ${why}:\n${this.#output()}`));
  }

  /** Resolves when what it printed so far matches. @throws when it ends without. */
  async printed(pattern: RegExp): Promise<void> {
    for (;;) {
      if (pattern.test(this.#stdout) || pattern.test(this.#stderr)) return;
      if (this.#ended) {
        throw new Error(`${this.#title()} ended ${this.#how} without printing ${pattern}:\n${this.#output()}`);
      }
      await new Promise<void>((told) => this.#listeners.add(told));
    }
  }

  async #run(): Promise<Result> {
    const started = performance.now();
    const limit = setTimeout(() => this.#giveUp(`did not end within ${this.#limitMs / 1000} s`), this.#limitMs);
    const drain = async (stream: ReadableStream<Uint8Array>, add: (text: string) => void) => {
      for await (const text of stream.pipeThrough(new TextDecoderStream(), { signal: this.#over.signal })) {
        add(text);
        this.#tell();
      }
    };
    try {
      const [status] = await Promise.all([
        this.#child.status,
        drain(this.#child.stdout, (text) => this.#stdout += text),
        drain(this.#child.stderr, (text) => this.#stderr += text),
      ]);
      this.#over.signal.throwIfAborted();
      const { code, signal } = status;
      const ms = performance.now() - started;
      return { args: this.args, code, signal, stdout: this.#stdout, stderr: this.#stderr, ms };
    } finally {
      clearTimeout(limit);
      const { code, signal } = await this.#child.status;
      this.#how ||= signal ? `by ${signal}` : `with code ${code}`;
      this.#ended = true;
      this.#tell();
    }
  }

  #tell(): void {
    const told = [...this.#listeners];
    this.#listeners.clear();
    for (const listener of told) listener();
  }

  #title(): string {
    return `fleetbox ${this.args.join(" ")}`;
  }

  #output(): string {
    return `${this.#stdout}standard error:\n${this.#stderr}`;
  }
}
