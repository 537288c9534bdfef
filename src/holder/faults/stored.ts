/** Faults as a holder writes them down for the next one. */

import { checkFault } from "../../core/faults.ts";
import { isName } from "../../core/names.ts";
import type { GroupRecord, StoredFault } from "../../store/records.ts";
import { host } from "../../system/os.ts";
import type { Fault } from "./pairs.ts";

/** A fault with its times on the clock of this process. */
export interface Timed extends Fault {
  beganMs: number;
  endsMs?: number;
}

/** When the clock of this process began, in seconds since the host's start: a record's clock, which the next holder has, too. */
export function ownClock(): number {
  return host().uptime() - performance.now() / 1_000;
}

/** As the group's record has it. @param clock {@link ownClock} */
export function storedFault({ id, spec, seed, since, beganMs, endsMs, pairs }: Timed, clock: number): StoredFault {
  const seconds = (ms: number) => clock + ms / 1_000;
  return {
    ...{ id, spec, seed, since, began_at: seconds(beganMs) },
    ...(endsMs === undefined ? {} : { ends_at: seconds(endsMs) }),
    ...(pairs ? { pairs } : {}),
  };
}

export function timedFault({ began_at, ends_at, ...fault }: StoredFault, clock: number): Timed {
  const monotonic = (seconds: number) => (seconds - clock) * 1_000;
  return { ...fault, beganMs: monotonic(began_at), ...(ends_at === undefined ? {} : { endsMs: monotonic(ends_at) }) };
}

/** The faults of a record that make sense: a fault that does not must not keep a group from being adopted. */
export function faultsIn({ faults }: Pick<GroupRecord, "faults">): StoredFault[] {
  return Array.isArray(faults) ? faults.filter(isFault) : [];
}

/** Four hexadecimal digits after an f; more when these are taken. */
export function newFaultId(taken: { has(id: string): boolean }): string {
  for (let digits = 4;; digits++) {
    const id = `f${crypto.randomUUID().replaceAll("-", "").slice(0, digits)}`;
    if (!taken.has(id)) return id;
  }
}

function isFault(value: unknown): value is StoredFault {
  const { id, spec, seed, since, began_at, ends_at, pairs } = (value ?? {}) as Record<string, unknown>;
  try {
    checkFault(spec);
  } catch {
    return false;
  }
  const isPair = (pair: unknown) => Array.isArray(pair) && pair.length === 2 && pair.every(isName);
  return typeof id === "string" && /^f[0-9a-f]{4,32}$/.test(id) && Number.isInteger(seed) &&
    typeof since === "string" &&
    Number.isFinite(began_at) && (ends_at === undefined || Number.isFinite(ends_at)) &&
    (pairs === undefined || (Array.isArray(pairs) && pairs.every(isPair)));
}
