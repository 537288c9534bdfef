/** A client's requests to a member: status and reports, stop, add, port forwards, and changes. */

import { codeOf, FleetboxError, UnknownOption } from "../core/errors.ts";
import { Limit, pause } from "../core/deadline.ts";
import { checkName } from "../core/names.ts";
import type { Loss } from "../core/power_cut.ts";
import type { Options } from "../core/options.ts";
import type { Store } from "../store.ts";
import { hasMachine } from "../store/orphans.ts";
import type * as wire from "../wire.ts";
import { decodeStatus } from "../wire/replies.ts"; // not all of the protocol: `ls` loads this
import { isAtPlace } from "./places/doors.ts";
import { ask, request, stream } from "./requests.ts";

/** A member's status, or undefined when no holder serves it. @throws {FleetboxError} `timeout`, `protocol` */
export async function getStatus(store: Store, name: string, timeoutMs = 5_000): Promise<wire.Status | undefined> {
  const text = await ask(store, name, "status\n", timeoutMs);
  if (text === undefined) return undefined;
  try {
    return decodeStatus(text);
  } catch (cause) {
    throw new FleetboxError("protocol", `The holder of "${name}" sent a malformed status`, { cause });
  }
}

/** The full report of a member, or undefined when no holder serves it. */
export async function getReport(
  store: Store,
  name: string,
  timeoutMs = 5_000,
  verbose?: boolean,
): Promise<wire.MemberReport | undefined> {
  return await request(store, name, "report", { verbose }, timeoutMs);
}

/** The full report of a member's group, or undefined when no holder serves it. */
export async function getGroup(store: Store, name: string, timeoutMs = 5_000): Promise<wire.GroupReport | undefined> {
  return await request(store, name, "group", {}, timeoutMs);
}

/**
 * What a member's holder tells of it, once its SSH port is open: a gateway that died is waited for until it is back.
 * Undefined when no holder serves it; one that does not run is reported as it is.
 * @throws {FleetboxError} why the gateway does not come back
 */
export async function reachMember(store: Store, name: string): Promise<wire.MemberReport | undefined> {
  try {
    return await request(store, name, "reach", {}, REACH_MS);
  } catch (thrown) {
    if (codeOf(thrown) !== "protocol") throw thrown;
    return await getReport(store, name); // its holder is of an earlier version
  }
}

/**
 * Gives a member that is served egress or access to the host, or takes them from it: at once, and kept. False when nobody
 * serves it.
 * @throws {FleetboxError} `conflict`: it is only just being made; `protocol`: its holder is of an earlier version
 */
export async function changeMember(
  store: Store,
  name: string,
  { egress, host_access }: Pick<Options, "egress" | "host_access">,
  onEvent: (event: wire.Event) => void = () => {},
): Promise<boolean> {
  for await (const event of stream(store, name, "change", { egress, host_access })) {
    onEvent(event);
    if (event.event === "done") return true;
  }
  return false;
}

interface StopOptions {
  /** Does not wait for the guest. @default false */
  force?: boolean;
  /** How long the guest may take to shut down before it is ended, in milliseconds. @default 30000 */
  graceMs?: number;
  /** Cuts its power, so that this is lost of what it had not flushed. */
  loss?: Loss;
  /** Called when that has been done, with what it did. */
  onPowerCut?: (event: wire.PowerCutEvent) => void;
  /** Called for each step. */
  onDetail?: (detail: wire.Detail) => void;
  signal?: AbortSignal;
}

/**
 * Stops a member and returns when its machine is gone. False when no holder served it.
 * @throws {FleetboxError} why the machine did not stop.
 */
export async function stop(store: Store, name: string, options: StopOptions = {}): Promise<boolean> {
  const { force, graceMs, loss } = options;
  const fields = {
    force,
    grace_ms: graceMs,
    ...(loss && { lose_unflushed: loss.mode, seed: loss.seed }),
    ...(options.onDetail && { verbose: true }),
  };
  let served = false;
  let isCut = false;
  for (let tries = 1;; tries++) {
    for await (const event of stream(store, name, "stop", fields, options.signal)) {
      served = true;
      if (event.event === "detail") options.onDetail?.(event);
      if (event.event === "power-cut") {
        isCut = true;
        options.onPowerCut?.(event);
      }
      if (event.event === "done" && (isCut || !loss)) return true;
    }
    if (!served || isCut || options.signal?.aborted) return served;
    // The holder may end before it writes its last member's reply; one that was killed has stopped nothing.
    if (!await isServedAgain(store, name)) break;
    if (loss || tries === STOP_TRIES) {
      throw new FleetboxError("failed", `The holder of "${name}" closed the connection before the machine was down`);
    }
  }
  if (!loss) return true;
  throw new FleetboxError(
    "failed",
    `"${name}" was stopped, but lost no write: its holder is of an earlier version, or ended`,
    {
      hint: `Start it again, and cut its power then: fleetbox up ${name} --log-writes`,
    },
  );
}

/**
 * After a holder has ended without a reply: whether the machine runs on, and another holder serves it. False: it is gone.
 * @throws {FleetboxError} `failed`: it runs on, and no holder comes
 */
async function isServedAgain(store: Store, name: string): Promise<boolean> {
  if (isAtPlace(store)) return (await getStatus(store, name))?.running ?? false;
  using limit = new Limit(COMEBACK_MS);
  while (hasMachine(store, name)) {
    if (await getStatus(store, name)) return true;
    if (limit.signal.aborted) {
      throw new FleetboxError("failed", `The holder of "${name}" was killed, and its machine runs on`, {
        hint: `Try again: fleetbox stop ${name}`,
      });
    }
    await pause(COMEBACK_LOOK_MS);
  }
  return false;
}

interface AddOptions {
  options?: Options;
  /** Returns when the holder has taken the member on, not when it runs. @default true */
  wait?: boolean;
  onEvent?: (event: wire.Event) => void;
  /** Whether `onEvent` also gets each step. @default false */
  verbose?: boolean;
  /** Whether `onEvent` also gets what scripts say. @default false */
  output?: boolean;
  signal?: AbortSignal;
}

/**
 * Boots a member onto the network that `via` is on, and returns when it runs.
 * @throws {FleetboxError} `not-found`: no holder serves `via`; or why the member did not come up.
 */
export async function addMember(store: Store, via: string, name: string, add: AddOptions = {}): Promise<void> {
  checkName(name);
  const { options = {}, wait = true, verbose, output } = add;
  let served = false;
  try {
    for await (const event of stream(store, via, "add", { name, options, wait, verbose, output }, add.signal)) {
      served = true;
      add.onEvent?.(event);
      if (event.event === "done") return;
    }
  } catch (thrown) {
    throw isUnknownOption(thrown) ? earlierHolder(via, name, thrown) : thrown;
  }
  if (served) throw new FleetboxError("failed", `The holder of "${via}" ended while "${name}" was booting`);
  throw new FleetboxError("not-found", `Cannot join "${name}" via "${via}": "${via}" is not running`, {
    hint: `Start it first: fleetbox up ${via}`,
  });
}

/**
 * The client's own options were checked: one that is unknown is so to a holder of an earlier version. The earliest ones say it in words alone.
 */
function isUnknownOption(thrown: unknown): boolean {
  return thrown instanceof UnknownOption ||
    codeOf(thrown) === "misuse" && thrown instanceof FleetboxError && thrown.message.startsWith("Unknown option ");
}

function earlierHolder(via: string, name: string, cause: unknown): FleetboxError {
  const why = `the holder of "${via}" is of an earlier version, and does not know all options`;
  return new FleetboxError("conflict", `Cannot boot "${name}" beside "${via}": ${why}`, {
    cause,
    hint: "Stop all members of its group, which ends it, and bring them up again",
  });
}

/**
 * Every member of the group of `name` as it is now, then every change, until the group ends. Nothing when no holder
 * serves `name`.
 */
export function watch(
  store: Store,
  name: string,
  signal?: AbortSignal,
  verbose?: boolean,
  output?: boolean,
): AsyncGenerator<wire.Event> {
  return stream(store, name, "watch", { verbose, output }, signal);
}

/** Includes waiting for a gateway that is being started. */
const REACH_MS = 60_000;
const STOP_TRIES = 3;
/** How long the guardian of a killed holder may take on a busy host, and the machine of a bound one to end. */
const COMEBACK_MS = 5_000;
const COMEBACK_LOOK_MS = 50;
