/** Labels of a member that is there: its holder does not need them, so they are written into its config. */

import { areSameLabels, changedLabels, type Labels, labelsText } from "../core/labels.ts";
import { FleetboxError } from "../core/errors.ts";
import type { Store } from "../store.ts";

/**
 * @returns what was changed, in words; undefined: nothing.
 * @throws {FleetboxError} `conflict`: the member is still being made
 */
export async function changeLabels(store: Store, name: string, asked: Labels | undefined): Promise<string | undefined> {
  if (asked === undefined) return undefined;
  return await store.withMemberLock(name, async () => {
    const config = store.config(name);
    if (!config) {
      throw new FleetboxError("conflict", `"${name}" is still being made: it has no labels to change yet`, {
        hint: `Wait for it: fleetbox wait ${name}`,
      });
    }
    const labels = changedLabels(config.labels, asked);
    if (areSameLabels(config.labels, labels)) return undefined;
    await store.writeConfig({ ...config, labels });
    return `${name}: ${labels ? `its labels are ${labelsText(labels)}` : "it has no labels now"}`;
  });
}
