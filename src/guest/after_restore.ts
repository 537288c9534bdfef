/**
 * A guest that was just restored from a snapshot: its clock stands at the moment of the save, its random numbers are those
 * of every other guest of that snapshot, and it has the saved host name. One SSH session puts that right.
 *
 * A warm start waits for it, and an emulated guest has to translate all code that it runs for the first time again. So
 * the session does little: the guest's shell writes one small program (`guest_program.ts`), and this runs as root and makes
 * the system calls that it is told (`renewal.ts`). Where root may log in with the same key, as on `micro`, no `sudo` is
 * needed, which costs as much as the rest.
 */

import { messageOf } from "../core/errors.ts";
import { pause } from "../core/deadline.ts";
import type { Architecture } from "../vmm/contract.ts";
import type { SshEndpoint } from "../wire.ts";
import { Agent } from "./agent.ts";
import { changesName, HOSTS, renew, type RenewalOptions } from "./renewal.ts";
import { type SshFailure, SshProgram } from "./ssh_program.ts";

interface AfterRestoreOptions extends RenewalOptions {
  /** The private key's path. */
  key: string;
  /** The guest's. */
  arch: Architecture;
  /** Ends the wait for the guest. */
  signal: AbortSignal;
  /** Whether root takes the key too, as on `micro`. When it does not, `sudo` is used. @default false */
  root?: boolean;
  /** Leads to the agent in the guest, which does it sooner. @default there is none */
  agentSocket?: string;
  /** Registers the function to call on a sign of the guest; returns the function that unregisters it. */
  onHint?: (hint: () => void) => () => void;
}

/** The waits between sessions that failed, when no hint comes. */
const AGAIN_MS = [20, 50, 100, 200, 400, 1_000];
/**
 * How long each session may take to connect, in seconds. The gateway accepts before the guest does, and what it sent to a
 * guest that was not there yet is sent again after seconds only; a new session is sooner there.
 */
const CONNECT_SECONDS = [2, 4, 8, 20];

/**
 * Sets a restored guest's clock, random numbers and host name.
 * @throws {FleetboxError} `denied`: the guest refuses the key. `failed`: what could not be done, with the guest's last
 *   words. The signal's reason, when that fires first.
 */
export async function afterRestore(endpoint: SshEndpoint, options: AfterRestoreOptions): Promise<void> {
  const { signal, onHint } = options;
  if (options.agentSocket !== undefined && await byAgent(options.agentSocket, options)) return;
  let isRoot = options.root ?? false;
  for (let tries = 0;; tries++) {
    signal.throwIfAborted();
    const failure = await session(isRoot ? { ...endpoint, user: "root" } : endpoint, tries, options);
    if (failure === undefined) return;
    signal.throwIfAborted();
    if (failure.why === "denied") {
      if (!isRoot) throw failure.error;
      isRoot = false;
      continue;
    }
    if (failure.why === "failed") throw failure.error;
    const hint = new AbortController();
    const off = onHint?.(() => hint.abort());
    await pause(AGAIN_MS[Math.min(tries, AGAIN_MS.length - 1)], AbortSignal.any([signal, hint.signal]));
    off?.();
  }
}

/** Whether the guest's agent has done it; why not is noted. */
async function byAgent(socket: string, options: AfterRestoreOptions): Promise<boolean> {
  try {
    using agent = await Agent.reach(socket, options);
    await renew(agent, options);
    return true;
  } catch (thrown) {
    options.signal.throwIfAborted();
    options.onNote?.(`Its agent is of no use (${messageOf(thrown)}): an SSH session does it`);
    return false;
  }
}

/** One session, to its end; undefined when all is done. */
async function session(
  endpoint: SshEndpoint,
  tries: number,
  options: AfterRestoreOptions,
): Promise<SshFailure | undefined> {
  await using program = new SshProgram(endpoint, {
    ...options,
    connectSeconds: CONNECT_SECONDS[Math.min(tries, CONNECT_SECONDS.length - 1)],
    reads: changesName(options) ? HOSTS : undefined,
  });
  try {
    await renew(program.kernel, options);
    return undefined;
  } catch (thrown) {
    return await program.failure(thrown, "set the clock, the random numbers and the host name of the restored guest");
  }
}
