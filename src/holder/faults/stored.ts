/** Faults that an earlier holder has written down. */

import { checkFault } from "../../core/faults.ts";
import { isName } from "../../core/names.ts";
import type { GroupRecord, StoredFault } from "../../store/records.ts";

/** The faults of a record that make sense: a fault that does not must not keep a group from being adopted. */
export function faultsIn({ faults }: Pick<GroupRecord, "faults">): StoredFault[] {
  return Array.isArray(faults) ? faults.filter(isFault) : [];
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
