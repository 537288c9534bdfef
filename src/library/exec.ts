/**
 * Running commands on a machine: one channel each on the shared connection.
 *
 * A command may have to be ended early: by a limit of time or of output, a signal, an input that fails. So it has a mark in its environment, by
 * which all of its processes are found, with children and background jobs: closing the channel ends no process, and a signal over
 * SSH reaches one process at best.
 */

import type { Readable } from "node:stream";
import type { ClientChannel } from "./ssh/ssh2.d.ts";
import { FleetboxError, messageOf } from "../core/errors.ts";
import { clip } from "../core/bytes.ts";
import type { Lanes } from "./ssh/ssh_pool.ts";
import { randomWord } from "./naming.ts";
import { pause, startLimit } from "../core/deadline.ts";
import { type Command, commandLine, killLine } from "./shell.ts";
import type { ExecOptions, ExecResult, ExitStatus, Process, ProcessOptions, Stdin } from "./types.ts";

const DEFAULT_MAX_OUTPUT_BYTES = 16 * 1024 * 1024;
/** How long ending a command may take before its channel is closed. */
const KILL_LIMIT_MS = 15_000;

/** Runs a command to its end. */
export async function execute(
  lanes: Lanes,
  command: Command,
  options: ExecOptions = {},
): Promise<ExecResult> {
  const { timeoutMs, signal, stdin, maxOutputBytes = DEFAULT_MAX_OUTPUT_BYTES } = options;
  const mark = randomWord(16);
  const line = commandLine(command, { ...options, mark });
  const title = describe(lanes, command);
  const late = new AbortController();
  const endLimit = timeoutMs === undefined ? () => {} : startLimit(timeoutMs, () => late.abort());
  const ends = [late.signal, ...(signal ? [signal] : [])];
  const end = AbortSignal.any(ends);
  const stdout = new Output(maxOutputBytes);
  const stderr = new Output(maxOutputBytes);
  let running: Running | undefined;
  try {
    const attach = (channel: ClientChannel, free: () => void) => new Running(lanes, channel, free, title, mark);
    const discard = (late: Running) => void late.end();
    running = await lanes.command(line, attach, { signal: end, discard });
    const { channel } = running;
    const over = Promise.withResolvers<never>();
    const tooMuch = (what: string) =>
      over.reject(
        new FleetboxError("failed", `${title} wrote more than ${maxOutputBytes} bytes to ${what}`, {
          hint: "Raise maxOutputBytes, or stream the output with spawn().",
        }),
      );
    channel.on("data", (chunk: Uint8Array) => stdout.add(chunk) || tooMuch("standard output"));
    channel.stderr.on("data", (chunk: Uint8Array) => stderr.add(chunk) || tooMuch("standard error"));
    end.addEventListener("abort", () => over.reject(end.reason), { once: true });
    if (end.aborted) over.reject(end.reason);
    feed(channel, stdin, running.exited).catch(over.reject);
    const status = await Promise.race([running.exited, over.promise]);
    const result = { ...status, stdout: stdout.text(), stderr: stderr.text() };
    if (options.check && status.code !== 0) throw new CommandError(title, result);
    return result;
  } catch (thrown) {
    const fate = running ? await running.end() : "it had not started";
    const said = [stdout.text(), stderr.text()].join("").trim();
    const cause = said === "" ? undefined : new Error(`it wrote: ${clip(said.slice(-2_000), 2_000)}`);
    if (signal?.aborted && thrown === signal.reason) {
      throw new FleetboxError("interrupted", `${title} was interrupted; ${fate}`, { cause: signal.reason });
    }
    if (late.signal.aborted && thrown === late.signal.reason) {
      throw new FleetboxError("timeout", `${title} did not end within ${timeoutMs} ms; ${fate}`, { cause });
    }
    throw thrown;
  } finally {
    endLimit();
  }
}

/** Starts a command and streams its output. */
export async function spawn(lanes: Lanes, command: Command, options: ProcessOptions = {}): Promise<Process> {
  const { signal, stdin, timeoutMs } = options;
  const mark = randomWord(16);
  const title = describe(lanes, command);
  const line = commandLine(command, { ...options, mark });
  const attach = (channel: ClientChannel, free: () => void) => new Running(lanes, channel, free, title, mark);
  const late = new AbortController();
  const endLimit = timeoutMs === undefined ? () => {} : startLimit(timeoutMs, () => late.abort(), { unref: true });
  const end = AbortSignal.any([late.signal, ...(signal ? [signal] : [])]);
  let fate: string | Promise<string> = "it had not started";
  const failed = async (thrown: unknown) => {
    if (!end.aborted) return thrown;
    if (!signal?.aborted) {
      return new FleetboxError("timeout", `${title} did not end within ${timeoutMs} ms; ${await fate}`);
    }
    return new FleetboxError("interrupted", `${title} was interrupted; ${await fate}`, { cause: signal.reason });
  };
  const starting = lanes.command(line, attach, { signal: end, discard: (late) => void late.end() });
  const running = await starting.catch(async (thrown) => {
    endLimit();
    throw await failed(thrown);
  });
  const { channel } = running;
  const onEnd = () => void (fate = running.end());
  end.addEventListener("abort", onEnd);
  if (end.aborted) onEnd();
  const status = running.exited.finally(() => {
    endLimit();
    end.removeEventListener("abort", onEnd);
  }).catch((thrown) => thrown).then(async (exit) => {
    if (end.aborted || exit instanceof Error) throw await failed(exit);
    return exit;
  });
  status.catch(() => {}); // callers that await it get the error
  if (stdin !== "piped") feed(channel, stdin, running.exited).catch(() => void running.end());
  return {
    stdin: stdin === "piped"
      ? writable(channel)
      : new WritableStream({ start: (it) => it.error(new Error("not piped")) }),
    stdout: readable(channel),
    stderr: readable(channel.stderr),
    status,
    kill: async (name = "TERM") => {
      await running.signal(name);
    },
    [Symbol.asyncDispose]: async () => {
      await running.end();
    },
  };
}

/**
 * The error of a command that failed, with `check: true`.
 *
 * @example
 * ```ts
 * import { CommandError, start } from "fleetbox";
 *
 * await using vm = await start();
 * try {
 *   await vm.exec("ls /nowhere", { check: true });
 * } catch (thrown) {
 *   if (thrown instanceof CommandError) console.log(thrown.result.code, thrown.result.stderr);
 * }
 * ```
 */
export class CommandError extends FleetboxError {
  /** How it ended, and its output. */
  readonly result: ExecResult;

  /** Takes the command, for people, and how it ended. */
  constructor(title: string, result: ExecResult) {
    const how = result.signal ? `was ended by ${result.signal}` : `ended with code ${result.code}`;
    const said = (result.stderr.trim() || result.stdout.trim()).slice(-2_000);
    super("failed", `${title} ${how}${said ? `: ${said}` : ", without a message"}`);
    this.result = result;
  }
}

/** A channel with a command in it, and how to end that. */
class Running {
  /** Rejects when the connection breaks first. */
  readonly exited: Promise<ExitStatus>;
  #isOver = false;

  constructor(
    private readonly lanes: Lanes,
    readonly channel: ClientChannel,
    free: () => void,
    private readonly title: string,
    private readonly mark: string,
  ) {
    this.exited = new Promise((resolve, reject) => {
      let status: ExitStatus | undefined;
      channel.on("error", () => {});
      channel.on("exit", (code: number | null, signal?: string) => {
        status = { code, signal: signal ? `SIG${signal.replace(/^SIG/, "")}` : null };
      });
      channel.on("close", () => {
        this.#isOver = true;
        free();
        if (status) resolve(status);
        else reject(this.#broken());
      });
    });
    this.exited.catch(() => {});
  }

  #broken(): FleetboxError {
    return new FleetboxError("failed", `${this.title} ended without a status: the connection to the machine broke`, {
      hint: "The machine was stopped or restarted; the command's progress is unknown.",
    });
  }

  /** Signals every process of the command; returns how many there were. */
  async signal(name: string): Promise<number> {
    const word = name.replace(/^SIG/, "");
    if (!/^[A-Z0-9+]{1,10}$/.test(word)) {
      throw new FleetboxError(
        "misuse",
        `Not a signal: found ${JSON.stringify(clip(name, 40))}, expected one like TERM`,
      );
    }
    if (this.#isOver) return 0;
    let text = "";
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    await this.lanes.command(killLine(this.mark, word), (channel, free) => {
      channel.on("data", (chunk: Uint8Array) => text += new TextDecoder().decode(chunk));
      channel.on("error", () => {});
      channel.stderr.resume();
      channel.once("close", () => {
        free();
        resolve();
      });
      channel.end();
    }, { isExtra: true });
    await closed;
    return Number(text.trim()) || 0;
  }

  /** Ends the command and its channel by all means; returns how that went. */
  async end(): Promise<string> {
    if (this.#isOver) return "it had already ended";
    // A command that floods its output is blocked meanwhile, and leaves the guest's processor to the kill.
    this.channel.pause();
    this.channel.stderr.pause();
    const killed = await Promise.race([
      this.signal("KILL").then((count) => `it was killed (${count} processes)`, messageOf),
      pause(KILL_LIMIT_MS).then(() => undefined),
    ]);
    const fate = killed ?? "its processes could not be killed: the machine does not answer";
    this.channel.resume();
    this.channel.stderr.resume();
    await Promise.race([this.exited.catch(() => {}), pause(killGrace(fate))]);
    if (!this.#isOver) this.channel.close();
    return fate;
  }
}

/** How long a channel may take to close after its command was killed; less if the kill failed. */
function killGrace(fate: string): number {
  return fate.startsWith("it was killed") ? 1_000 : 0;
}

/** Collects bytes up to a limit. */
class Output {
  #parts: Uint8Array[] = [];
  #length = 0;

  constructor(private readonly limit: number) {}

  /** False when they exceed the limit. */
  add(chunk: Uint8Array): boolean {
    this.#length += chunk.length;
    if (this.#length > this.limit) return false;
    this.#parts.push(chunk);
    return true;
  }

  text(): string {
    const decoder = new TextDecoder();
    return this.#parts.map((part) => decoder.decode(part, { stream: true })).join("") + decoder.decode();
  }
}

/** Writes standard input, then its end; stops when the command is over. */
async function feed(channel: ClientChannel, stdin: Stdin | undefined, exited: Promise<unknown>): Promise<void> {
  if (stdin === undefined) return void channel.end();
  if (!(stdin instanceof ReadableStream)) return void channel.end(stdin);
  const reader = stdin.getReader();
  const over = exited.then(() => "over" as const, () => "over" as const);
  try {
    for (;;) {
      const next = await Promise.race([reader.read(), over]);
      if (next === "over" || next.done) break;
      if (channel.write(next.value)) continue;
      if (await Promise.race([new Promise((drained) => channel.once("drain", drained)), over]) === "over") break;
    }
  } finally {
    reader.cancel().catch(() => {});
    channel.end();
  }
}

function writable(channel: ClientChannel): WritableStream<Uint8Array> {
  const gone = new Promise<never>((_, reject) => channel.once("close", () => reject(new Error("the command is over"))));
  gone.catch(() => {});
  return new WritableStream({
    async write(chunk) {
      if (!channel.write(chunk)) await Promise.race([new Promise((drained) => channel.once("drain", drained)), gone]);
    },
    close: () => void channel.end(),
    abort: () => void channel.end(),
  });
}

/** A Node stream as a web stream, with backpressure. */
function readable(
  stream: Readable,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  let isOver = false;
  return new ReadableStream({
    start(controller) {
      stream.on("data", (chunk: Uint8Array) => {
        if (isOver) return;
        controller.enqueue(new Uint8Array(chunk));
        if ((controller.desiredSize ?? 0) <= 0) stream.pause();
      });
      const end = () => {
        if (isOver) return;
        isOver = true;
        controller.close();
      };
      stream.on("end", end);
      stream.on("close", end);
    },
    pull: () => void stream.resume(),
    cancel: () => {
      isOver = true;
      stream.resume(); // discarded, so that the command is not blocked
    },
  }, { highWaterMark: 256 * 1024, size: (chunk) => chunk.byteLength });
}

function describe(lanes: Lanes, command: Command): string {
  const text = typeof command === "string" ? command : command.join(" ");
  return `${JSON.stringify(clip(text.replace(/\s+/g, " ").trim(), 120))} on "${lanes.target.name}"`;
}
