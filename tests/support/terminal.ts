/**
 * The real executable on a terminal, or another program: a pseudo-terminal of util-linux's script(1), of a given size,
 * typed on by the test.
 */

import { FLEETBOX } from "./command.ts";

export interface TerminalOptions {
  env: Record<string, string>;
  columns?: number;
  rows?: number;
  /** @default fleetbox */
  program?: string;
  cwd?: string;
  /** A line for the shell of that terminal, after the command has ended. */
  then?: string;
  /** When it is killed. @default 120000 */
  limitMs?: number;
}

const LIMIT_MS = 120_000;

/** A command on a terminal of its own. */
export class OnTerminal {
  /** Everything that was drawn, escape sequences included. */
  output = "";
  /** The exit code. */
  readonly done: Promise<number>;
  #child: Deno.ChildProcess;
  #keyboard: WritableStreamDefaultWriter<Uint8Array>;
  #listeners = new Set<() => void>();
  #ended = false;
  #limitMs: number;

  constructor(args: readonly string[], options: TerminalOptions) {
    const { env, columns = 80, rows = 24, program = FLEETBOX, cwd, then, limitMs = LIMIT_MS } = options;
    this.#limitMs = limitMs;
    const words = args.map((word) => `'${word}'`).join(" ");
    const command = then === undefined
      ? `PATH="$PROGRAM_PATH" exec "$PROGRAM" ${words}`
      : `PATH="$PROGRAM_PATH" "$PROGRAM" ${words}; code=$?; ${then}; exit $code`;
    const line = `stty cols ${columns} rows ${rows}; ${command}`;
    this.#child = new Deno.Command("script", {
      args: ["--quiet", "--return", "--flush", "--command", line, "/dev/null"],
      env: {
        TERM: "xterm-256color",
        SHELL: "/bin/sh",
        ...env,
        PATH: Deno.env.get("PATH")!, // the terminal's own
        PROGRAM_PATH: env.PATH ?? "",
        PROGRAM: program,
      },
      cwd,
      clearEnv: true,
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#keyboard = this.#child.stdin.getWriter();
    this.done = this.#run();
    this.done.catch(() => {}); // a test that waits for it still hears of it
  }

  /** Resolves when what was drawn so far, from an offset on, matches. */
  async shows(pattern: RegExp, from = 0): Promise<void> {
    while (!pattern.test(this.output.slice(from))) {
      if (this.#ended) throw new Error(`it ended without showing ${pattern}:\n${this.output}`);
      await new Promise<void>((told) => this.#listeners.add(told));
    }
  }

  /** Changes the size of the window. Linux only: the terminal is the one that the program has as its output. */
  async resize(columns: number, rows: number): Promise<void> {
    const pid = this.#child.pid;
    const [inside] = Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`).trim().split(" ");
    const device = Deno.readLinkSync(`/proc/${inside}/fd/1`);
    const { success, stderr } = await new Deno.Command("stty", {
      args: ["-F", device, "cols", String(columns), "rows", String(rows)],
    }).output();
    if (!success) throw new Error(`stty: ${new TextDecoder().decode(stderr)}`);
  }

  async type(text: string): Promise<void> {
    await this.#keyboard.write(new TextEncoder().encode(text));
  }

  #tell(): void {
    const told = [...this.#listeners];
    this.#listeners.clear();
    told.forEach((listener) => listener());
  }

  async #run(): Promise<number> {
    const over = new AbortController();
    const limit = setTimeout(() => {
      this.output += `\n[killed by the test: it did not end within ${this.#limitMs / 1000} s]\n`;
      try {
        this.#child.kill("SIGKILL");
      } catch { /* it has ended, and another process has the terminal open */ }
      over.abort();
    }, this.#limitMs);
    try {
      for await (const text of this.#child.stdout.pipeThrough(new TextDecoderStream(), { signal: over.signal })) {
        this.output += text;
        this.#tell();
      }
    } catch (thrown) {
      if (!over.signal.aborted) throw thrown;
    } finally {
      clearTimeout(limit);
      await this.#keyboard.close().catch(() => {});
      await this.#child.status;
      this.#ended = true;
      this.#tell();
    }
    return (await this.#child.status).code;
  }
}
