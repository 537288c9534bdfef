/** What earlier holders have left: a new one finds it, and clears it away before it claims its members. */

import { settledRecords } from "../../store/orphans.ts";
import { exists, removeIfThere } from "../../system/files.ts";
import { isAlive } from "../../system/process.ts";
import type { Store } from "../../store.ts";
import { sweepUnmade } from "../../store/unmade.ts";
import type { Claims } from "./claims.ts";
import { ofComeback, recover, type Recovery } from "./recovery.ts";

interface Asked {
  store: Store;
  names: readonly string[];
  bound: boolean;
  /** Whether a guardian has started the holder. */
  isComeback?: boolean;
}

/** @returns the verdict, and the members that the holder is for. @throws {FleetboxError} as {@link recover} and {@link ofComeback} */
export async function findRecovery(
  { store, names, bound, isComeback }: Asked,
): Promise<{ names: readonly string[]; recovery: Recovery }> {
  const found = recover({ names, bound, records: await settledRecords(store, names), isAlive });
  if (!isComeback) return { names, recovery: found };
  const recovery = ofComeback(found);
  return { names: recovery.adopt.map(({ name }) => name), recovery };
}

/**
 * Removes the remains of groups without running processes, and of members that were never made.
 * @param wanted the members that are to be served
 * @returns the names of all that belong to the group now: these, and those of the adopted group that are in the store
 */
export async function clearLeftovers(
  store: Store,
  claims: Claims,
  { stale, record }: Pick<Recovery, "stale" | "record">,
  wanted: ReadonlySet<string>,
): Promise<string[]> {
  if (stale.length > 0) await claims.sweep(stale.flatMap(({ members }) => members));
  for (const { id } of stale) for (const path of Object.values(store.group(id))) removeIfThere(path);
  store.sweepTemporary([...stale.flatMap(({ members }) => members), ...record?.members ?? [], ...wanted]);
  const left = (record?.members ?? []).filter((name) => !wanted.has(name));
  await sweepUnmade(store, left);
  return [...left.filter((name) => exists(store.member(name).dir)), ...wanted];
}
