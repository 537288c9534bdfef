/**
 * Spawns a holder, and holds the session with it.
 *
 * Detached, the holder is let go of as soon as it serves. Bound, it lives as long as this process (`bind.ts`).
 */

import { clip } from "../core/bytes.ts";
import { LATE, within } from "../core/deadline.ts";
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
