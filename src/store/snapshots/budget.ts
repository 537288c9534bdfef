/** How much room templates may take, and which of them go when they take more. */

import { FleetboxError } from "../../core/errors.ts";
import { variable } from "../../core/environment.ts";
import { parseSizeMiB } from "../../core/options.ts";
import { bytesUsed } from "../../system/files.ts";
import type { Store } from "../../store.ts";
import { collectLayersHeld } from "./layers.ts";
import { withSnapshotLock } from "./lock.ts";
import { layersIn } from "./manifests.ts";
import { snapshotPaths } from "./paths.ts";
import { templates } from "./read.ts";
import { makeUnreachable, removeUnreachable } from "./remove.ts";

const MIB = 1024 * 1024;
const DEFAULT_BYTES = 4 * 1024 * MIB;

/** How much all templates may take: `FLEETBOX_TEMPLATES`, 0 for none. @throws {FleetboxError} `misuse`: it is no size */
export function templateBudget(): number {
  const text = variable("FLEETBOX_TEMPLATES")?.trim();
  if (!text) return DEFAULT_BYTES;
  if (/^(0+\s*([kmgt](i?b)?)?|no|off|false)$/i.test(text)) return 0;
  try {
    return parseSizeMiB(text, "FLEETBOX_TEMPLATES") * MIB;
  } catch (cause) {
    throw new FleetboxError("misuse", (cause as Error).message, { hint: "0 takes none, 4G is the default." });
  }
}

/**
 * Removes damaged templates, and the least recently used ones until the rest fits.
 * @returns the keys of those that were removed. @throws {FleetboxError} `denied`, `failed`
 */
export async function fitTemplates(store: Store, budgetBytes: number): Promise<string[]> {
  if (templates(store).length === 0) return [];
  return await withSnapshotLock(store, () => evictTemplates(store, budgetBytes));
}

/** {@link fitTemplates}, for callers that hold the lock. */
export async function evictTemplates(store: Store, budgetBytes: number): Promise<string[]> {
  const paths = snapshotPaths(store);
  const seen = new Set<string>();
  let total = 0;
  const doomed = templates(store).filter((one) => {
    if ("damage" in one) return true;
    const fresh = [...new Set(layersIn(one.manifest))].filter((id) => !seen.has(id));
    total += bytesUsed(paths.template(one.key).dir) + fresh.reduce((sum, id) => sum + bytesUsed(paths.layer(id)), 0);
    fresh.forEach((id) => seen.add(id));
    return total > budgetBytes;
  }).map(({ key }) => key);
  for (const key of doomed) await removeUnreachable(await makeUnreachable(store, paths.template(key).dir));
  if (doomed.length > 0) await collectLayersHeld(store).catch(() => {}); // they go with the next ones
  return doomed;
}
