/** Commands in a machine: their options, their results, and running commands. */

/**
 * A command's standard input: text, bytes, or a stream.
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
 * The options of a command.
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
  /** Its standard input. @default empty */
  stdin?: Stdin;
  /** Variables to add to the guest's environment. */
  env?: Record<string, string>;
  /** The directory to run in. @default the user's home */
  cwd?: string;
  /**
   * The time limit in milliseconds: then the command is killed with its children, and the call rejects. @default none
   */
  timeoutMs?: number;
  /** Does the same when it fires. */
  signal?: AbortSignal;
  /** Rejects with a {@link CommandError} when the code is not 0. @default false */
  check?: boolean;
  /** The limit of each output in bytes; a command that writes more is ended, and the call rejects. @default 16777216 */
  maxOutputBytes?: number;
}

/**
 * The options of a streamed command: see {@link ExecOptions}.
 *
 * @example
 * ```ts
 * import { start } from "fleetbox";
 *
 * await using vm = await start();
 * await using cat = await vm.spawn("cat", { stdin: "piped" });
 * ```
 */
export interface ProcessOptions extends Pick<ExecOptions, "env" | "cwd" | "timeoutMs" | "signal"> {
  /** Its standard input; `"piped"`: bytes that you write to {@link Process.stdin}. @default empty */
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
 * How a command ended, and its output as text.
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
  /** Its standard output. Bytes that are not UTF-8 become U+FFFD; for bytes, use {@link Vm.spawn}. */
  stdout: string;
  /** Its standard error. */
  stderr: string;
}

/**
 * A running command. Disposing of it kills it with its children.
 *
 * Both outputs come over one channel: read both, or cancel one of them. Otherwise a command that writes more than 2 MiB
 * to an unread output is blocked.
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
  /** Its standard input, if that is `"piped"`; close it to end the input. */
  readonly stdin: WritableStream<Uint8Array>;
  /** Its standard output, streamed. */
  readonly stdout: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Its standard error, streamed. */
  readonly stderr: ReadableStream<Uint8Array<ArrayBuffer>>;
  /**
   * Resolved when it is over and both outputs are at their ends. Rejects when the connection to the machine breaks, and when its limit
   * or its signal has ended it.
   */
  readonly status: Promise<ExitStatus>;
  /**
   * Sends a signal to it and its children.
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
