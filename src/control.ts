/**
 * The client half of the protocol: spawn a holder, ask members, watch them, stop them, add one.
 *
 * The command line and the library are built on this file. It knows sockets and the store, never a hypervisor, a
 * network or an image (those live in the holder, behind the protocol). "Nobody serves this member" is an answer
 * (`undefined`, `false`), not an error: the socket is the proof of life, and a missing or refusing one means nobody.
 * Waiting is listening: {@link watch} streams every change, so nothing here polls.
 */

import { FleetboxError, fromWireError } from "./core/errors.ts";
import { Countdown, startLimit } from "./core/deadline.ts";
import { closeQuietly, connectUnix, dialUnix, readLines, type UnixConnection, writeAll } from "./system/sockets.ts";
import { checkName, checkNames } from "./core/names.ts";
import type { ForwardWish, Options, PortForward } from "./core/options.ts";
import { type HolderProcess, startHolder } from "./system/process.ts";
import { type Store, storeError } from "./store.ts";
import type { Executable } from "./system/program_info.ts";
import * as wire from "./wire.ts";

export interface SpawnOptions {
  exe: Executable;
  /** The group's members, first one first. */
  names: string[];
  options?: Options;
  /** Bound: the holder dies with this process. @default false */
  bound?: boolean;
}

/** A holder that we spawned. */
export interface Session extends AsyncDisposable {
  readonly pid: number;
  readonly names: readonly string[];
  readonly bound: boolean;
  /** Resolved when the holder is gone. Does not keep this process alive. */
  readonly ended: Promise<void>;
  /**
   * Bound: ends the group and returns when the holder is gone, machines and all. Detached: lets it go. Twice is fine.
   */
  close(): Promise<void>;
}

/** How long a holder may take for its part, in milliseconds. */
export interface SpawnLimits {
  /** Until it serves. It may wait for another holder that is just claiming. @default 60000 */
  servingMs?: number;
  /** For each answer of the handshake. @default 10000 */
  handshakeMs?: number;
  /** To end, when it was told to or has said that it cannot serve; it is killed then. @default 15000 */
  endMs?: number;
}

/** The control socket is there before the holder says that it serves; a helper of others may be a moment late. */
const CONTROL_TRIES = 10;
const CONTROL_RETRY_MS = 50;

/**
 * Spawns a holder for members and returns when it serves them; they boot from then on.
 *
 * Bound, the holder lives as long as this process, whatever ends that: it holds a connection to the holder, which is
 * closed with it. Nothing of a session keeps the event loop going: a program that ends without `close()` ends its group.
 * @throws {FleetboxError} `conflict`: another holder serves one of them (or just claimed it); `protocol`: the program is
 * a holder of another version, or none at all; or what else the holder found wrong before it served: bad options, a
 * store that cannot be written, a program that is missing. Nothing that was spawned is left then.
 */
export async function spawn(store: Store, request: SpawnOptions, limits: SpawnLimits = {}): Promise<Session> {
  const { servingMs = 60_000, handshakeMs = 10_000, endMs = 15_000 } = limits;
  const names = checkNames(request.names);
  const bound = request.bound ?? false;
  const log = store.holderLog(names[0]);
  store.ensure();
  const args = [...request.exe.args, wire.RUNNER_FLAG, names.join(",")];
  const env = {
    FLEETBOX_HOME: store.root,
    [wire.OPTIONS_VARIABLE]: JSON.stringify(request.options ?? {}),
    // Always set, so that a holder spawned within a bound group does not inherit its parent.
    [wire.PARENT_VARIABLE]: bound ? String(Deno.pid) : "",
  };
  const holder = await startHolder(request.exe.program, args, { log, env }).catch((cause) => {
    throw storeError(`Cannot start a holder with the log ${log}`, cause);
  });
  let control: UnixConnection | undefined;
  try {
    await untilServing(holder, log, servingMs, endMs);
    if (bound) control = await bind(store, names[0], holder, handshakeMs);
  } catch (thrown) {
    holder.kill("SIGKILL");
    await holder.exited;
    throw thrown;
  } finally {
    holder.release();
  }
  const ended = holder.exited.then(() => control?.close());
  if (!bound) {
    const letGo = () => Promise.resolve();
    return { pid: holder.pid, names, bound, ended, close: letGo, [Symbol.asyncDispose]: letGo };
  }
  const close = async () => {
    holder.hold();
    control?.close();
    if (!control) holder.kill("SIGTERM");
    if (await within(endMs, ended) === LATE) holder.kill("SIGKILL"); // nothing of a bound group survives its holder
    await ended;
  };
  return { pid: holder.pid, names, bound, ended, close, [Symbol.asyncDispose]: close };
}

async function untilServing(holder: HolderProcess, log: string, limitMs: number, endMs: number): Promise<void> {
  const hint = `Its output is in ${log}`;
  const line = await within(limitMs, holder.firstLine);
  if (line === LATE) {
    throw new FleetboxError("timeout", `The holder does not serve after ${limitMs / 1000} s`, { hint });
  }
  let greeting: { serving?: unknown } = {};
  try {
    greeting = line === undefined ? {} : JSON.parse(line);
  } catch { /* not ours: told below */ }
  if (greeting?.serving) return;
  const wrote = line === undefined ? undefined : new Error(`it wrote: ${wire.clip(line, 200)}`);
  const isError = wire.isError(greeting);
  if (line !== undefined && !isError) {
    throw new FleetboxError("protocol", "What was started as a holder is none", { cause: wrote, hint });
  }
  const exit = await within(endMs, holder.exited);
  wire.throwIfError(greeting);
  const how = exit === LATE
    ? "closed its output"
    : `ended before it served, ${exit.signal ?? `with code ${exit.code}`}`;
  throw new FleetboxError("failed", `The holder ${how}`, { hint });
}

/**
 * The handshake of the bound lifetime: `bind`, the version, `ack`, and the connection is held. Undefined when there is
 * no control socket: the holder still watches the process id of its parent.
 */
async function bind(
  store: Store,
  first: string,
  holder: HolderProcess,
  limitMs: number,
): Promise<UnixConnection | undefined> {
  let connection: UnixConnection | undefined;
  for (let tries = 0; !connection && tries < CONTROL_TRIES; tries++) {
    if (tries > 0 && await within(CONTROL_RETRY_MS, holder.exited) !== LATE) return undefined;
    connection = await connectUnix(store.controlSocket(first));
  }
  if (!connection) return undefined;
  try {
    await connection.write("bind\n");
    const version = await within(limitMs, connection.read());
    // A group that failed at once is gone already, and its holder with it: whoever waits for its members hears of it.
    if (version === "" && await within(limitMs, holder.exited) !== LATE) return undefined;
    if (version !== LATE && version.trim() === String(wire.PROTOCOL_VERSION)) {
      await connection.write("ack\n");
      return connection;
    }
    const spoken = version === LATE || version === ""
      ? "does not say which version of the protocol it speaks"
      : `speaks version ${JSON.stringify(wire.clip(version.trim(), 20))} of the protocol`;
    throw new FleetboxError("protocol", `The holder ${spoken}, expected version ${wire.PROTOCOL_VERSION}`, {
      hint: "Install a client and a helper of the same version.",
    });
  } catch (thrown) {
    connection.close();
    if (thrown instanceof FleetboxError) throw thrown;
    if (await within(limitMs, holder.exited) !== LATE) return undefined;
    throw new FleetboxError("protocol", "The holder broke its control connection off", { cause: thrown });
  }
}

const LATE = Symbol("late");

/** What a promise gives, or {@link LATE} when that takes longer. */
async function within<T>(limitMs: number, promise: Promise<T>): Promise<T | typeof LATE> {
  let endLimit = () => {};
  const late = new Promise<typeof LATE>((resolve) => endLimit = startLimit(limitMs, () => resolve(LATE)));
  try {
    return await Promise.race([promise, late]);
  } finally {
    endLimit();
  }
}

/** A member's status, or undefined when nobody serves it. @throws {FleetboxError} `timeout`, `protocol` */
export async function getStatus(store: Store, name: string, timeoutMs = 5_000): Promise<wire.Status | undefined> {
  const text = await ask(store, name, "status\n", timeoutMs);
  if (text === undefined) return undefined;
  try {
    return wire.decodeStatus(text);
  } catch (cause) {
    throw new FleetboxError("protocol", `The holder of "${name}" did not answer with a status`, { cause });
  }
}

/** Whether a holder serves the member and it is downloading, starting or running. */
export async function isRunning(store: Store, name: string): Promise<boolean> {
  return (await getStatus(store, name))?.running ?? false;
}

/** All that a member's holder tells of it, or undefined when nobody serves it. */
export async function getReport(
  store: Store,
  name: string,
  timeoutMs = 5_000,
  verbose?: boolean,
): Promise<wire.MemberReport | undefined> {
  return await askJson<wire.MemberReport>(store, name, { op: "report", verbose }, timeoutMs);
}

/** All that a member's holder tells of its group, or undefined when nobody serves it. */
export async function getGroup(store: Store, name: string, timeoutMs = 5_000): Promise<wire.GroupReport | undefined> {
  return await askJson<wire.GroupReport>(store, name, { op: "group" }, timeoutMs);
}

export interface StopOptions {
  /** Does not wait for the guest. @default false */
  force?: boolean;
  /** How long the guest may take to shut down before it is ended, in milliseconds. @default 30000 */
  graceMs?: number;
  /** Told each step. */
  onDetail?: (detail: wire.Detail) => void;
  signal?: AbortSignal;
}

/**
 * Stops a member and returns when its machine is gone. False when nobody served it.
 * @throws {FleetboxError} what kept the machine from stopping.
 */
export async function stop(store: Store, name: string, options: StopOptions = {}): Promise<boolean> {
  const request: wire.JsonRequest = {
    op: "stop",
    force: options.force,
    grace_ms: options.graceMs,
    ...(options.onDetail && { verbose: true }),
  };
  let served = false;
  for await (const event of stream(store, name, request, options.signal)) {
    served = true;
    if (event.event === "detail") options.onDetail?.(event);
    if (event.event === "done") return true;
  }
  // The holder may die with its last member's reply still to write: a socket that nobody answers is as good a proof.
  if (served && (await getStatus(store, name))?.running) {
    throw new FleetboxError("failed", `The holder of "${name}" went silent before the machine was down`);
  }
  return served;
}

export interface AddOptions {
  options?: Options;
  /** Returns when the holder has taken the member on, not when it runs. @default true */
  wait?: boolean;
  onEvent?: (event: wire.Event) => void;
  /** Whether `onEvent` is told each step, too. @default false */
  verbose?: boolean;
  signal?: AbortSignal;
}

/**
 * Boots a member onto the network that `via` is on, and returns when it runs.
 * @throws {FleetboxError} `not-found`: nobody serves `via`; or why the member did not come up.
 */
export async function addMember(store: Store, via: string, name: string, add: AddOptions = {}): Promise<void> {
  checkName(name);
  const { options = {}, wait = true, verbose } = add;
  const request: wire.JsonRequest = { op: "add", name, options, wait, verbose };
  let served = false;
  for await (const event of stream(store, via, request, add.signal)) {
    served = true;
    add.onEvent?.(event);
    if (event.event === "done") return;
  }
  if (served) throw new FleetboxError("failed", `The holder of "${via}" ended while "${name}" was booting`);
  throw new FleetboxError("not-found", `Cannot join "${name}" via "${via}": "${via}" is not running`, {
    hint: `Start it first: fleetbox up ${via}`,
  });
}

/**
 * Every member of the group that `name` is in, as it is now, then every change, until the group ends. Nothing when
 * nobody serves `name`.
 */
export function watch(
  store: Store,
  name: string,
  signal?: AbortSignal,
  verbose?: boolean,
): AsyncGenerator<wire.Event> {
  return stream(store, name, { op: "watch", verbose }, signal);
}

/** A member's serial console. */
export interface ConsoleStream extends Disposable {
  /** The end of what the guest said before. */
  readonly replay: Uint8Array;
  /** What the guest says next; undefined when its machine, or its holder, is gone. */
  read(): Promise<Uint8Array | undefined>;
  /** Types. It waits when the guest does not read. @throws when the machine, or its holder, is gone. */
  write(bytes: Uint8Array): Promise<void>;
}

/**
 * Attaches to a member's serial console; one that is just being started says nothing until its machine runs. Undefined
 * when nobody serves it.
 * @throws {FleetboxError} `conflict`: it has no machine; `protocol`: its holder is of a version without consoles.
 */
export async function openConsole(store: Store, name: string): Promise<ConsoleStream | undefined> {
  const conn = await dialUnix(store.memberSocket(checkName(name)));
  if (!conn) return undefined;
  let held: Uint8Array = new Uint8Array();
  let replay: Uint8Array;
  const buffer = new Uint8Array(32 * 1024);
  const read = async () => {
    try {
      const count = await conn.read(buffer);
      return count === null ? undefined : buffer.slice(0, count);
    } catch {
      return undefined; // its holder ended, or we have closed it
    }
  };
  const more = async () => {
    const piece = await read();
    if (piece) held = concat(held, piece);
    return piece !== undefined;
  };
  const take = (count: number) => {
    const taken = held.slice(0, count);
    held = held.slice(count);
    return taken;
  };
  try {
    await writeAll(conn, new TextEncoder().encode(wire.encodeLine({ op: "console" })));
    while (!held.includes(0x0a)) {
      if (await more()) continue;
      closeQuietly(conn);
      return undefined;
    }
    const line = new TextDecoder().decode(take(held.indexOf(0x0a) + 1));
    const greeting = decodedReply<wire.ConsoleGreeting>(line, name);
    while (held.length < greeting.replay && await more());
    replay = take(greeting.replay);
  } catch (thrown) {
    closeQuietly(conn);
    throw thrown;
  }
  return {
    replay,
    read: () => held.length > 0 ? Promise.resolve(take(held.length)) : read(),
    write: (bytes) => writeAll(conn, bytes),
    [Symbol.dispose]: () => closeQuietly(conn),
  };
}

function concat(first: Uint8Array, second: Uint8Array): Uint8Array {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

/**
 * Makes a port of this host's loopback lead to a member's, now and whenever it runs. Undefined when nobody serves it.
 * @throws {FleetboxError} `conflict`: the port is another member's or another program's; `denied`; `not-found`
 */
export async function forward(store: Store, name: string, wish: ForwardWish): Promise<PortForward | undefined> {
  return await askJson(store, name, { op: "forward", ...wish }, FORWARD_MS);
}

/** Takes a forward away, and gives what it was. Undefined when nobody serves the member. @throws {FleetboxError} `not-found` */
export async function unforward(store: Store, name: string, hostPort: number): Promise<PortForward | undefined> {
  return await askJson(store, name, { op: "unforward", host_port: hostPort }, FORWARD_MS);
}

/** A member that is just being made is waited for, and a gateway that is just being started. */
const FORWARD_MS = 60_000;

export interface WaitOptions {
  /** The limit in milliseconds, in which time spent downloading does not count. @default 180000 */
  timeoutMs?: number;
  onEvent?: (event: wire.Event) => void;
  /** Whether `onEvent` is told each step, too. @default false */
  verbose?: boolean;
  /** Called once, with the first member that has to download something. */
  onDownload?: (name: string) => void;
  signal?: AbortSignal;
}

/**
 * Waits until every named member runs, and gives their reports in that order.
 * @throws {FleetboxError} the cause as soon as one of them is in `error` or leaves; `not-found`: nobody serves one;
 * `timeout`, naming who is missing and at which stage.
 */
export async function waitMembers(
  store: Store,
  names: string[],
  options: WaitOptions = {},
): Promise<wire.MemberReport[]> {
  const { timeoutMs = 180_000 } = options;
  const seen = new Map<string, wire.MemberReport>();
  const over = new AbortController();
  const stopped = options.signal ? AbortSignal.any([options.signal, over.signal]) : over.signal;
  const clock = new Countdown(timeoutMs, () => over.abort());
  let announced = false;
  const pending = () => names.filter((name) => seen.get(name)?.state !== "running");

  const follow = async (start: string) => {
    for await (const event of watch(store, start, stopped, options.verbose)) {
      options.onEvent?.(event);
      if (event.event === "gone" && names.includes(event.name)) {
        const last = seen.get(event.name);
        throw last?.failure ? fromWireError(last.failure) : new FleetboxError("failed", `"${event.name}" was stopped`);
      }
      if (event.event !== "member") continue;
      const { member } = event;
      seen.set(member.name, member);
      if (!names.includes(member.name)) continue;
      if (member.state === "error") {
        throw fromWireError(member.failure ?? { code: "failed", message: member.error ?? "it failed", causes: [] });
      }
      if (member.state === "downloading" && !announced) {
        announced = true;
        options.onDownload?.(member.name);
      }
      // Time that a download takes does not count.
      if (names.some((name) => seen.get(name)?.state === "downloading")) clock.pause();
      else clock.resume();
      if (pending().length === 0) return;
    }
  };

  try {
    // One stream tells of a whole group: another is only opened for a name that the streams so far did not mention.
    for (const name of names) {
      if (seen.has(name)) continue;
      await follow(name);
      if (options.signal?.aborted) {
        throw new FleetboxError("interrupted", `Waiting for ${names.join(", ")} was interrupted`);
      }
      if (over.signal.aborted) throw timedOut(pending(), seen, timeoutMs);
      if (!seen.has(name)) throw new FleetboxError("not-found", `"${name}" is not running`);
      if (seen.get(name)!.state !== "running") throw new FleetboxError("failed", `The holder of "${name}" ended`);
    }
  } finally {
    clock.end();
    over.abort();
  }
  return names.map((name) => seen.get(name)!);
}

function timedOut(missing: string[], seen: Map<string, wire.MemberReport>, limitMs: number): FleetboxError {
  const where = missing.map((name) => {
    const report = seen.get(name);
    return `${name} (${report ? report.stage ?? report.state : "not served"})`;
  });
  return new FleetboxError("timeout", `Not running after ${limitMs / 1000} s: ${where.join(", ")}`, {
    hint: `Look at the console: fleetbox logs ${missing[0]}`,
  });
}

/** The events of a JSON request; ends quietly when nobody serves the member (any more) or the signal fires. */
async function* stream(
  store: Store,
  name: string,
  request: wire.JsonRequest,
  signal?: AbortSignal,
): AsyncGenerator<wire.Event> {
  const connection = await connectUnix(store.memberSocket(checkName(name)));
  if (!connection) return;
  const abort = () => connection.close();
  signal?.addEventListener("abort", abort);
  try {
    if (signal?.aborted) return;
    await connection.write(wire.encodeLine(request));
    for await (const line of readLines(connection)) {
      yield decoded(() => wire.decodeEvent(line), name);
    }
  } catch (thrown) {
    // A holder that ends resets the connections that it has not accepted yet: that is its end, and no more.
    const ended = thrown instanceof Deno.errors.ConnectionReset || thrown instanceof Deno.errors.BrokenPipe;
    if (!ended && !signal?.aborted) throw thrown;
  } finally {
    signal?.removeEventListener("abort", abort);
    connection.close();
  }
}

/** The longest reply that is read: the report of the largest group has a tenth of it. */
const MAX_REPLY = 4 * 1024 * 1024;

/** One text request and its whole reply; undefined when nobody serves the member. */
async function ask(store: Store, name: string, request: string, timeoutMs: number): Promise<string | undefined> {
  const connection = await connectUnix(store.memberSocket(checkName(name)));
  if (!connection) return undefined;
  let late = false;
  const endLimit = startLimit(timeoutMs, () => {
    late = true;
    connection.close();
  });
  let text = "";
  try {
    await connection.write(request);
    for (let piece = await connection.read(); piece !== ""; piece = await connection.read()) {
      text += piece;
      if (text.length > MAX_REPLY) {
        throw new FleetboxError("protocol", `The holder of "${name}" sent more than ${MAX_REPLY} characters`);
      }
    }
  } catch (cause) {
    if (cause instanceof FleetboxError) throw cause;
    // A holder that ends between our connect and its reply resets the connection: nobody serves it any more.
    if (!late && text === "") return undefined;
    if (!late) throw new FleetboxError("protocol", `The holder of "${name}" broke off its reply`, { cause });
  } finally {
    endLimit();
    connection.close();
  }
  if (late) {
    throw new FleetboxError("timeout", `The holder of "${name}" did not answer within ${timeoutMs / 1000} s`, {
      hint: `Its log: fleetbox logs --holder ${name}`,
    });
  }
  return text === "" ? undefined : text;
}

async function askJson<T>(
  store: Store,
  name: string,
  request: wire.JsonRequest,
  timeoutMs: number,
): Promise<T | undefined> {
  const text = await ask(store, name, wire.encodeLine(request), timeoutMs);
  if (text === undefined) return undefined;
  return decodedReply<T>(text, name);
}

/** A reply of one line. @throws what it tells, when it is an error. */
function decodedReply<T>(line: string, name: string): T {
  return decoded(() => {
    const value = wire.decodeReply(line);
    wire.throwIfError(value);
    return value as T;
  }, name);
}

/** What a decoder gives, or the error that was told; what is none of ours is told with the name of its holder. */
function decoded<T>(decode: () => T, name: string): T {
  try {
    return decode();
  } catch (cause) {
    if (cause instanceof FleetboxError) throw cause;
    throw new FleetboxError("protocol", `The holder of "${name}" answered with something that is no answer`, { cause });
  }
}
