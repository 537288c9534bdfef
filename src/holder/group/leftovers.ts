/** What earlier holders have left, and a new one clears away before it claims its members. */

import { exists, removeIfThere } from "../../system/files.ts";
import type { Store } from "../../store.ts";
import { sweepUnmade } from "../../store/unmade.ts";
import type { Claims } from "./claims.ts";
import type { Recovery } from "./recovery.ts";

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
