/** Commands in a machine: their options, their results, and those that run. */

/**
 * What a command reads: text, bytes, or a stream, at whose end its standard input ends.
 *
 * @example
 * ```ts
 * import { start, type Stdin } from "fleetbox";
 *
 * const inputs: Stdin[] = ["text\n", new Uint8Array([0, 255]), new Blob(["streamed"]).stream()];
 * await using vm = await start();
 * for (const stdin of inputs) await vm.exec("wc -c", { stdin });
 * ```
 */
export type Stdin = string | Uint8Array | ReadableStream<Uint8Array>;

/**
 * How a command is run.
 *
 * @example
 * ```ts
 * import { start } from "fleetbox";
 *
 * await using vm = await start();
 * await vm.exec("sort | uniq -c", { stdin: "b\na\nb\n", env: { LC_ALL: "C" }, timeoutMs: 5_000 });
 * ```
 */
export interface ExecOptions {
  /** What it reads. @default nothing: it reads the end at once */
  stdin?: Stdin;
  /** Variables to add to the guest's environment. */
  env?: Record<string, string>;
  /** The directory to run in. @default the user's home */
  cwd?: string;
  /** When it is over, the command is killed, with what it started, and the call rejects. In milliseconds. @default none */
  timeoutMs?: number;
  /** The same, when you say. */
  signal?: AbortSignal;
  /** Rejects with a {@link CommandError} when the code is not 0. @default false */
  check?: boolean;
  /** How many bytes of each output are kept; a command that writes more is ended, and the call rejects. @default 16777216 */
  maxOutputBytes?: number;
}

/**
 * How a command that is read while it runs is run: see {@link ExecOptions}.
 *
 * @example
 * ```ts
 * import { start } from "fleetbox";
 *
 * await using vm = await start();
 * await using cat = await vm.spawn("cat", { stdin: "piped" });
 * ```
 */
export interface ProcessOptions extends Pick<ExecOptions, "env" | "cwd" | "signal"> {
  /** What it reads; `"piped"`: what you write to {@link Process.stdin}. @default nothing: it reads the end at once */
  stdin?: Stdin | "piped";
}

/**
 * How a command ended.
 *
 * @example
 * ```ts
 * import { type ExitStatus, start } from "fleetbox";
 *
 * const text = ({ code, signal }: ExitStatus) => signal === null ? `code ${code}` : `ended by ${signal}`;
 * await using vm = await start();
 * console.log(text(await vm.exec("kill -9 $$"))); // "ended by SIGKILL"
 * ```
 */
export interface ExitStatus {
  /** Its exit code; null when a signal ended it. */
  code: number | null;
  /** The signal that ended it, such as `"SIGKILL"`; null when none did. */
  signal: string | null;
}

/**
 * How a command ended, and what it wrote, as text.
 *
 * @example
 * ```ts
 * import { start } from "fleetbox";
 *
 * await using vm = await start();
 * const { code, signal, stdout, stderr } = await vm.exec("ls /etc /nowhere");
 * ```
 */
export interface ExecResult extends ExitStatus {
  /** What it wrote to standard output. Bytes that are not UTF-8 become U+FFFD; for bytes, use {@link Vm.spawn}. */
  stdout: string;
  /** What it wrote to standard error. */
  stderr: string;
}

/**
 * A command that runs. Disposing of it kills it, with what it started.
 *
 * Both outputs come over one channel: read both, or cancel the one that does not matter, or else a command that writes
 * more than 2 MiB to the other stands still.
 *
 * @example
 * ```ts
 * import { start } from "fleetbox";
 *
 * await using vm = await start();
 * await using ping = await vm.spawn("ping -c 3 10.88.0.1");
 * for await (const text of ping.stdout.pipeThrough(new TextDecoderStream())) console.log(text);
 * console.log((await ping.status).code);
 * ```
 */
export interface Process extends AsyncDisposable {
  /** Its standard input, when that is `"piped"`; closing it is its end. */
  readonly stdin: WritableStream<Uint8Array>;
  /** What it writes to standard output, as it comes. */
  readonly stdout: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** What it writes to standard error, as it comes. */
  readonly stderr: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Resolved when it is over and both outputs are at their ends. Rejects when the connection to the machine breaks. */
  readonly status: Promise<ExitStatus>;
  /**
   * Sends a signal to it, and to all that it started.
   *
   * @param signal such as `"KILL"` @default "TERM"
   *
   * @example
   * ```ts
   * import { start } from "fleetbox";
   *
   * await using vm = await start();
   * await using server = await vm.spawn("httpd -f -p 8080");
   * await server.kill("HUP");
   * ```
   */
  kill(signal?: string): Promise<void>;
}
