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

/** A command that runs. */
export class Running {
  /** Resolves at its end. Rejects when it does not end within the limit; it is killed then. */
  readonly done: Promise<Result>;
  readonly pid: number;
  readonly #limitMs: number;
  #stdout = "";
  #stderr = "";
  #ended = false;
  #listeners = new Set<() => void>();
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

  kill(signal: Deno.Signal): void {
    if (!this.#ended) this.#child.kill(signal);
  }

  /** Resolves when what it printed so far matches. @throws when it ends without. */
  async printed(pattern: RegExp): Promise<void> {
    for (;;) {
      if (pattern.test(this.#stdout) || pattern.test(this.#stderr)) return;
      if (this.#ended) throw new Error(`${this.#title()} ended without printing ${pattern}:\n${this.#output()}`);
      await new Promise<void>((told) => this.#listeners.add(told));
    }
  }

  async #run(): Promise<Result> {
    const started = performance.now();
    let late = false;
    const limit = setTimeout(() => {
      late = true;
      this.#child.kill("SIGKILL");
    }, this.#limitMs);
    const drain = async (stream: ReadableStream<Uint8Array>, add: (text: string) => void) => {
      for await (const text of stream.pipeThrough(new TextDecoderStream())) {
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
      if (late) throw new Error(`${this.#title()} did not end within ${this.#limitMs / 1000} s:\n${this.#output()}`);
      const { code, signal } = status;
      const ms = performance.now() - started;
      return { args: this.args, code, signal, stdout: this.#stdout, stderr: this.#stderr, ms };
    } finally {
      clearTimeout(limit);
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
    return `${this.#stdout}${this.#stderr}`;
  }
}
