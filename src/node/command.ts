/** `Deno.Command` over Node's child processes. */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import type { Socket } from "node:net";
import { Readable, Writable } from "node:stream";
import { asDeno, errors } from "./errors.ts";

const STDIO = { piped: "pipe", null: "ignore", inherit: "inherit" } as const;

type Options = Deno.CommandOptions;
type Output = Pick<Deno.CommandOutput, "code" | "signal" | "success" | "stdout" | "stderr">;

/** The numbers of the signals that end programs: a killed one's code is 128 and that. */
const SIGNALS: Record<string, number> = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGABRT: 6, SIGKILL: 9, SIGTERM: 15 };

export class Command {
  constructor(private readonly program: string | URL, private readonly options: Options = {}) {}

  /** @throws at once, as Deno does, when there is no such program */
  spawn(): Child {
    return new Child(String(this.program), this.options);
  }

  /** Runs it to its end. */
  async output(): Promise<Output> {
    const { stdout = "piped", stderr = "piped" } = this.options;
    return await new Child(String(this.program), { ...this.options, stdout, stderr }).output();
  }

  outputSync(): Output {
    const { args = [], cwd, env, stdin = "null", stdout = "piped", stderr = "piped" } = this.options;
    const ended = spawnSync(String(this.program), args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: [STDIO[stdin], STDIO[stdout], STDIO[stderr]],
    });
    if (ended.error) asDeno(() => throwIt(ended.error));
    return {
      ...exitOf(ended.status, ended.signal),
      stdout: new Uint8Array(ended.stdout ?? []),
      stderr: new Uint8Array(ended.stderr ?? []),
    };
  }
}

class Child {
  readonly pid: number;
  readonly status: Promise<Pick<Output, "code" | "signal" | "success">>;
  readonly stdin: WritableStream<Uint8Array>;
  readonly stdout: ReadableStream<Uint8Array>;
  readonly stderr: ReadableStream<Uint8Array>;
  readonly #child: ChildProcess;
  #hasEnded = false;

  constructor(program: string, options: Options) {
    const { args = [], cwd, env, signal, stdin = "null", stdout = "inherit", stderr = "inherit", detached } = options;
    signal?.throwIfAborted();
    const child = spawn(program, args, {
      cwd,
      detached,
      env: { ...process.env, ...env },
      stdio: [STDIO[stdin], STDIO[stdout], STDIO[stderr]],
    });
    child.on("error", () => {}); // told below, or a signal that came too late
    // Node tells why only at the next turn.
    if (child.pid === undefined) throw whyNot(program, cwd, env?.PATH);
    this.#child = child;
    this.pid = child.pid;
    const abort = () => void child.kill("SIGTERM");
    signal?.addEventListener("abort", abort);
    this.status = new Promise((resolve) => {
      child.once("exit", (code, name) => {
        this.#hasEnded = true;
        signal?.removeEventListener("abort", abort);
        resolve(exitOf(code, name));
      });
    });
    const none = () => undefined as never;
    this.stdin = child.stdin ? Writable.toWeb(child.stdin) : none();
    this.stdout = child.stdout ? Readable.toWeb(child.stdout) as ReadableStream<Uint8Array> : none();
    this.stderr = child.stderr ? Readable.toWeb(child.stderr) as ReadableStream<Uint8Array> : none();
  }

  /** @throws when it has ended */
  kill(signal: string = "SIGTERM"): void {
    if (this.#hasEnded) throw new TypeError("Child process has already terminated");
    this.#child.kill(signal as "SIGTERM");
  }

  /** It no longer keeps this program alive, nor does reading what it says. */
  unref(): void {
    this.#child.unref();
    for (const pipe of this.#pipes()) pipe.unref();
  }

  ref(): void {
    this.#child.ref();
    for (const pipe of this.#pipes()) pipe.ref();
  }

  /** Node's pipes are sockets. */
  #pipes(): Socket[] {
    const { stdin, stdout, stderr } = this.#child;
    return [stdin, stdout, stderr].filter((one) => one !== null) as unknown as Socket[];
  }

  async output(): Promise<Output> {
    const [status, stdout, stderr] = await Promise.all([this.status, bytesOf(this.stdout), bytesOf(this.stderr)]);
    return { ...status, stdout, stderr };
  }
}

async function bytesOf(stream: ReadableStream<Uint8Array> | undefined): Promise<Uint8Array<ArrayBuffer>> {
  if (!stream) return new Uint8Array();
  return new Uint8Array(await new Response(stream as ReadableStream<Uint8Array<ArrayBuffer>>).arrayBuffer());
}

function exitOf(code: number | null, name: string | null): Pick<Output, "code" | "signal" | "success"> {
  const signal = name as Deno.Signal | null;
  return { code: code ?? 128 + (SIGNALS[name ?? ""] ?? 0), signal, success: code === 0 };
}

function throwIt(thrown: unknown): never {
  throw thrown;
}

/** Why a program did not start. */
function whyNot(program: string, cwd: string | URL | undefined, path = process.env.PATH ?? ""): Error {
  const places = program.includes("/") ? [program] : path.split(":").map((dir) => `${dir || "."}/${program}`);
  const isThere = (place: string | URL) => {
    try {
      accessSync(place, constants.F_OK);
      return true;
    } catch {
      return false;
    }
  };
  if (cwd !== undefined && !isThere(cwd)) {
    return new errors.NotFound(`No such file or directory (os error 2): '${cwd}'`);
  }
  return places.some(isThere)
    ? new errors.PermissionDenied(`Permission denied (os error 13): spawn '${program}'`)
    : new errors.NotFound(`No such file or directory (os error 2): spawn '${program}'`);
}
