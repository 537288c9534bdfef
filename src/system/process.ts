/**
 * The one place that starts processes, and facts about running processes.
 *
 * No command goes through a shell: a program gets an argument list. {@link run} waits for a short-lived tool and turns
 * a failure into an error that carries the exit code, the signal and the last lines of standard error; {@link start}
 * gives a long-lived child (a hypervisor) whose standard error is drained into a bounded tail; {@link startHolder}
 * starts a session leader, its output in a file. {@link endChildren} is for a holder that must end now. A process id
 * alone proves nothing, so records hold a {@link ProcessIdentity}: the id and the start time, as the system reports it
 * (`os.ts`).
 */

import { FleetboxError, isNotFound } from "../core/errors.ts";
import { LineSplitter } from "../core/lines.ts";
import { isOfThisHost, writerOf } from "./files.ts";
import { host } from "./os.ts";
import { type HostIdentity, relationOf, thisHost } from "./this_host.ts";

const TAIL_BYTES = 8 * 1024;

/** A process that failed. */
export class ProcessError extends FleetboxError {
  constructor(
    readonly program: string,
    readonly exitCode: number,
    readonly signal: string | null,
    /** The last lines of standard error, at most 8 KiB, trimmed. */
    readonly stderr: string,
  ) {
    const how = signal ? `was killed by ${signal}` : `ended with code ${exitCode}`;
    super("failed", `${baseName(program)} ${how}${stderr ? `: ${stderr}` : ", without a message"}`);
  }
}

interface RunOptions {
  cwd?: string;
  env?: Record<string, string>;
  signal?: AbortSignal;
  /** The hint when the program is missing. */
  hint?: string;
}

/**
 * Runs a program to its end and returns its standard output. Its standard input is `input`, by default nothing.
 * @throws {ProcessError} it ended with another code than 0.
 * @throws {FleetboxError} `unavailable`: the program is not installed.
 */
export async function run(
  program: string,
  args: readonly string[],
  options: RunOptions & { input?: string } = {},
): Promise<string> {
  const { hint, input, ...rest } = options;
  if (isEnding) throw endingError(program);
  let child: Deno.ChildProcess;
  try {
    const stdin = input === undefined ? "null" : "piped";
    child = new Deno.Command(program, { ...rest, args: [...args], stdin, stdout: "piped", stderr: "piped" }).spawn();
  } catch (cause) {
    throw missing(program, cause, hint);
  }
  const running = { kill: (name: Deno.Signal) => child.kill(name), exited: child.status };
  children.add(running);
  if (input !== undefined) void giveInput(child.stdin, input);
  const output = await child.output().finally(() => children.delete(running));
  if (output.code === 0 && output.signal === null) return new TextDecoder().decode(output.stdout);
  const stderr = new TextDecoder().decode(output.stderr.subarray(-TAIL_BYTES)).trim();
  throw new ProcessError(program, output.code, output.signal, stderr);
}

/** A program that ends before it has read all says why by its end. */
async function giveInput(stdin: WritableStream<Uint8Array<ArrayBuffer>>, text: string): Promise<void> {
  const writer = stdin.getWriter();
  try {
    await writer.write(new TextEncoder().encode(text));
    await writer.close();
  } catch { /* see above */ }
}

/** How a child ended. */
interface Exit {
  code: number;
  signal: string | null;
}

/** A long-lived child. Its standard output and error are drained; the tail of both is kept. */
export interface Child {
  readonly pid: number;
  /** Resolved when the process is gone and its output is drained. Never rejects. */
  readonly exited: Promise<Exit>;
  /** The last lines of its output, at most 8 KiB, trimmed. Without standard output, if that is read as bytes. */
  tail(): string;
  /** Sends a signal; false when the process has already ended. */
  kill(signal: Deno.Signal): boolean;
  /** Writes to its standard input, if it was started with `input`; does nothing when the child no longer reads. */
  write(data: string | Uint8Array<ArrayBuffer>): void;
}

interface StartOptions extends RunOptions {
  /** Called with each piece of its standard output and error. */
  onOutput?: (text: string) => void;
  /**
   * Called with each piece of its standard output, which is no text: `onOutput` then has standard error alone. No more is
   * read until it is done.
   */
  onBytes?: (bytes: Uint8Array) => void | Promise<void>;
  /** Whether its standard input can be written to; else it is empty. @default false */
  input?: boolean;
  /** Whether it leads a session of its own: a terminal's Ctrl-C does not reach it. @default false */
  session?: boolean;
}

/**
 * Starts a child that runs beside us.
 * @throws {FleetboxError} `unavailable`: the program is not installed.
 */
export function start(program: string, args: readonly string[], options: StartOptions = {}): Child {
  const { hint, onOutput, onBytes, input, session, ...rest } = options;
  if (isEnding) throw endingError(program);
  let child: Deno.ChildProcess;
  try {
    const stdin = input ? "piped" : "null";
    const detached = session ?? false;
    child = new Deno.Command(program, { ...rest, detached, args: [...args], stdin, stdout: "piped", stderr: "piped" })
      .spawn();
  } catch (cause) {
    throw missing(program, cause, hint);
  }
  let tail = "";
  const drain = async (stream: ReadableStream<Uint8Array>, onBytes?: StartOptions["onBytes"]) => {
    const decoder = new TextDecoder();
    try {
      for await (const chunk of stream) {
        if (onBytes) {
          await onBytes(chunk);
          continue;
        }
        const text = decoder.decode(chunk, { stream: true });
        tail = (tail + text).slice(-TAIL_BYTES);
        onOutput?.(text);
      }
    } catch { /* the process has ended; its exit status says the rest */ }
  };
  const drained = Promise.all([drain(child.stdout, onBytes), drain(child.stderr)]);
  let gone = false;
  const writer = input ? child.stdin.getWriter() : undefined;
  const exited = child.status.then(async ({ code, signal }) => {
    gone = true;
    writer?.close().catch(() => {});
    await drained;
    return { code, signal };
  });
  const ours: Child = {
    pid: child.pid,
    exited,
    tail: () => tail.trim(),
    kill(signal) {
      if (gone) return false;
      try {
        child.kill(signal);
        return true;
      } catch {
        return false;
      }
    },
    write(data) {
      if (!gone) writer?.write(typeof data === "string" ? new TextEncoder().encode(data) : data).catch(() => {});
    },
  };
  children.add(ours);
  void exited.then(() => children.delete(ours));
  return ours;
}

/** Running children of {@link run} and {@link start}. */
const children = new Set<{ kill(signal: Deno.Signal): unknown; exited: Promise<unknown> }>();
let isEnding = false;

/** Kills every child of {@link run} and {@link start}, and starts no more. Resolves when they are gone. */
export async function endChildren(): Promise<void> {
  isEnding = true;
  for (const child of children) {
    try {
      child.kill("SIGKILL");
    } catch { /* it has just ended */ }
  }
  await Promise.all([...children].map((child) => child.exited));
}

function endingError(program: string): FleetboxError {
  return new FleetboxError("interrupted", `Cannot start ${baseName(program)}: this process is ending`);
}

/** A process id and its start time: the pair is never reused. */
export interface ProcessIdentity {
  pid: number;
  /** As {@link host} reports it: on Linux, in clock ticks since the boot. */
  startTime: string;
  /** The host that it runs on, where another one may read this. @default this one */
  host?: HostIdentity;
}

/** This process, for a record that other hosts may read. */
export function ownIdentity(): ProcessIdentity | undefined {
  const identity = identify(Deno.pid);
  return identity && { ...identity, host: thisHost() };
}

/** The identity of a running process, or undefined when there is none (or it is a zombie). */
export function identify(pid: number): ProcessIdentity | undefined {
  const startTime = host().startTimeOf(pid);
  return startTime === undefined ? undefined : { pid, startTime };
}

/** Whether two identities are of one process; without one there is none. */
export function isSameProcess(one: ProcessIdentity | undefined, other: ProcessIdentity | undefined): boolean {
  return one !== undefined && one.pid === other?.pid && one.startTime === other.startTime;
}

/** Whether this very process still runs. One of another host, which cannot be looked at, may: it counts as running. */
export function isAlive(identity: ProcessIdentity): boolean {
  const relation = relationOf(identity.host);
  if (relation !== "here") return relation !== "ended";
  return identify(identity.pid)?.startTime === identity.startTime;
}

/** Whether a file or a directory of this name may still be made. False for names that are not temporary. */
export function isBeingMade(name: string): boolean {
  const writer = writerOf(name);
  return writer !== undefined && (!isOfThisHost(name) || identify(writer) !== undefined);
}

/** Whether it was being made by a process of this host that is gone. */
export function isAbandoned(name: string): boolean {
  return writerOf(name) !== undefined && !isBeingMade(name);
}

/** The path of a program on `PATH`, or in the system's other program directories; else the bare name. */
export function toolPath(program: string): string {
  const places = [program, ...host().programDirs.map((dir) => `${dir}/${program}`)];
  return places.map((place) => which(place)).find((path) => path !== undefined) ?? program;
}

/** The path of a program that is on `PATH` (or at the given path), or undefined. */
export function which(program: string, path: string = Deno.env.get("PATH") ?? ""): string | undefined {
  const places = program.includes("/") ? [""] : path.split(":").map((dir) => `${dir || "."}/`);
  for (const place of places) {
    try {
      const info = Deno.statSync(place + program);
      if (info.isFile && ((info.mode ?? 0o111) & 0o111) !== 0) return place + program;
    } catch { /* not here */ }
  }
  return undefined;
}

function missing(program: string, cause: unknown, hint?: string): FleetboxError {
  if (!isNotFound(cause)) {
    return new FleetboxError("failed", `Cannot start ${program}`, { cause, hint });
  }
  return new FleetboxError("unavailable", `The program ${program} is not installed, or not on PATH`, { cause, hint });
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** A holder's process, as the client that spawned it sees it. */
export interface HolderProcess {
  /** A child of ours, while we run. */
  readonly pid: number;
  /** The first line of its standard output; undefined when it ended without writing one. */
  readonly firstLine: Promise<string | undefined>;
  readonly exited: Promise<Exit>;
  kill(signal: Deno.Signal): void;
  /** It no longer keeps this process alive. */
  release(): void;
  /** It keeps this process alive again, until it has ended. */
  hold(): void;
}

/**
 * Another path for the running compiled executable: Deno before 2.8 treats a program that spawns its own path through
 * Node's interface as Node, and puts `run -A …` before the arguments.
 */
function otherSpelling(program: string): string {
  if (!Deno.build.standalone || program !== Deno.execPath()) return program;
  return program.replace(/\/(?=[^/]*$)/, "/./");
}

/** A longer first line is not a holder's. */
const MAX_FIRST_LINE = 64 * 1024;

/**
 * Starts a holder: standard input null, standard error appended to `log`, standard output a pipe for one line.
 *
 * It is always a session leader (setsid). A detached holder outlives our terminal. A bound holder must outlive us for
 * its cleanup; otherwise an interrupt at the terminal, a `kill -9` of our process group, and Deno itself (2.6 kills the
 * children of a program that ends by an error) would kill it with us.
 *
 * This is `node:child_process`, because `Deno.Command` cannot give a child a file for its output.
 * @throws {FleetboxError} `unavailable`: the program does not exist.
 */
export async function startHolder(
  program: string,
  args: readonly string[],
  options: { log: string; env: Record<string, string> },
): Promise<HolderProcess> {
  const [{ spawn }, { closeSync, openSync }] = await Promise.all([import("node:child_process"), import("node:fs")]);
  const log = openSync(options.log, "a", 0o600);
  let child;
  try {
    child = spawn(otherSpelling(program), [...args], {
      cwd: "/",
      detached: true,
      env: { ...Deno.env.toObject(), ...options.env },
      stdio: ["ignore", "pipe", log],
    });
  } finally {
    closeSync(log);
  }
  const holder = child;
  const started = Promise.withResolvers<void>();
  holder.once("spawn", () => started.resolve());
  const exited = new Promise<Exit>((done) => {
    holder.once("exit", (code, signal) => done({ code: code ?? 1, signal }));
    holder.once("error", (cause) => {
      started.reject(missing(program, cause));
      done({ code: 127, signal: null });
    });
  });
  await started.promise;
  const stdout = holder.stdout!;
  const firstLine = new Promise<string | undefined>((done) => {
    const lines = new LineSplitter({ max: MAX_FIRST_LINE });
    stdout.setEncoding("utf8");
    stdout.on("data", (chunk: string) => {
      try {
        for (const line of lines.push(chunk)) done(line);
      } catch {
        done(lines.rest() + chunk); // too long: not a holder, and the error quotes it
      }
    });
    stdout.once("end", () => done(lines.rest().trim() || undefined));
    stdout.once("error", () => done(undefined));
  });
  return {
    pid: holder.pid!,
    firstLine,
    exited,
    kill: (signal) => void holder.kill(signal as "SIGTERM"),
    release() {
      stdout.destroy();
      holder.unref();
    },
    hold: () => holder.ref(),
  };
}
