/**
 * Spawns a holder, and keeps the session with it.
 *
 * Detached, the holder is let go of as soon as it serves. Bound, it lives as long as this process (`bind.ts`).
 */

import { clip } from "../core/bytes.ts";
import { LATE, within } from "../core/deadline.ts";
import { variable } from "../core/environment.ts";
import { FleetboxError } from "../core/errors.ts";
import { checkNames } from "../core/names.ts";
import type { Options } from "../core/options.ts";
import { type HolderProcess, startHolder } from "../system/process.ts";
import type { Executable } from "../system/program_info.ts";
import type { UnixConnection } from "../system/sockets.ts";
import { storeError } from "../system/files.ts";
import type { Store } from "../store.ts";
import * as wire from "../wire.ts";
import { bind } from "./bind.ts";
import { startInJob } from "./places/engine/job_holder.ts";

export interface SpawnOptions {
  exe: Executable;
  /** The group's members, in order. */
  names: string[];
  options?: Options;
  /** Bound: the holder dies with this process. @default false */
  bound?: boolean;
}

/** Finds the program that becomes a holder. The command line and the library pass it in: they know where to look. */
export type FindExecutable = (store: Store) => Promise<Executable>;

/** A holder that this process spawned. */
export interface Session extends AsyncDisposable {
  readonly pid: number;
  readonly names: readonly string[];
  readonly bound: boolean;
  /** Resolved when the holder is gone. Does not keep this process alive. */
  readonly ended: Promise<void>;
  /**
   * Bound: ends the group and returns when the holder and its machines are gone. Detached: lets it go. Calling it twice
   * is fine.
   */
  close(): Promise<void>;
}

/** How long a holder may take for its part, in milliseconds. */
interface SpawnLimits {
  /** Until it serves. It may wait for another holder that is claiming. @default 60000 */
  servingMs?: number;
  /** For each answer of the handshake. @default 10000 */
  handshakeMs?: number;
  /** Until it ends, after it was told to, or said that it cannot serve; then it is killed. @default 15000 */
  endMs?: number;
}

/**
 * Spawns a holder for members and returns when it serves them; they boot from then on.
 *
 * A bound holder lives as long as this process: they share a connection that closes when this process ends for any
 * reason. A session does not keep the event loop alive: a program that ends without `close()` ends its group.
 * @throws {FleetboxError} `conflict`: another holder serves one of them (or just claimed it); `protocol`: the program
 * is not a fleetbox holder, or one of another version; or another problem that the holder found before it served: bad
 * options, a store that cannot be written, a missing program. The spawned process is gone then.
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
  const { program } = request.exe;
  const holder = await startBeside(store, program, args, { log, env }).catch((cause) => {
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
    if (await within(endMs, ended) === LATE) holder.kill("SIGKILL"); // a bound group ends with its holder
    await ended;
  };
  return { pid: holder.pid, names, bound, ended, close, [Symbol.asyncDispose]: close };
}

/** Starts a program that outlives this command, also where a command is one of a job of a place's engine. */
export async function startBeside(
  store: Store,
  program: string,
  args: string[],
  options: { log: string; env: Record<string, string> },
): Promise<HolderProcess> {
  const job = variable("FLEETBOX_JOB");
  return job === undefined
    ? await startHolder(program, args, options)
    : await startInJob(store, job, { program, args, ...options });
}

async function untilServing(holder: HolderProcess, log: string, limitMs: number, endMs: number): Promise<void> {
  const hint = `Its output is in ${log}`;
  const line = await within(limitMs, holder.firstLine);
  if (line === LATE) {
    throw new FleetboxError("timeout", `The holder was not ready after ${limitMs / 1000} s`, { hint });
  }
  let greeting: { serving?: unknown } = {};
  try {
    greeting = line === undefined ? {} : JSON.parse(line);
  } catch { /* not a holder's line: reported below */ }
  if (greeting?.serving) return;
  const wrote = line === undefined ? undefined : new Error(`it wrote: ${clip(line, 200)}`);
  const isError = wire.isError(greeting);
  if (line !== undefined && !isError) {
    throw new FleetboxError("protocol", "The program that was started is not a fleetbox holder", {
      cause: wrote,
      hint,
    });
  }
  const exit = await within(endMs, holder.exited);
  wire.throwIfError(greeting);
  const how = exit === LATE
    ? "closed its output"
    : `ended before it served, ${exit.signal ?? `with code ${exit.code}`}`;
  throw new FleetboxError("failed", `The holder ${how}`, { hint });
}
