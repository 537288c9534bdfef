/**
 * What `prune` finds of snapshots: templates, which are a cache, layers that nothing reads, and checkpoints that belonged to a
 * program which has ended. Never a user's checkpoint. What killed processes were making of them are temporary files like all
 * others (`leftovers.ts`).
 */

import { relative } from "../system/path.ts";
import { isAlive } from "../system/process.ts";
import {
  abandonedCheckpoints,
  collectLayers,
  removeAbandoned,
  removeTemplate,
  snapshotPaths,
  templates,
  unusedLayers,
} from "../store/snapshots.ts";
import { layerReaders } from "../store/snapshots/layers.ts";
import type { Store } from "../store.ts";
import { bytesUsed, exists } from "../system/files.ts";
import type { Found } from "./leftovers.ts";

export function findSnapshotLeftovers(store: Store): Found[] {
  return [...abandonedIn(store), ...templatesIn(store), ...layersIn(store)];
}

/** Their layers go with them, when nothing else reads these. */
function abandonedIn(store: Store): Found[] {
  return abandonedCheckpoints(store, isAlive).map((name) => {
    const { dir } = snapshotPaths(store).checkpoint(name);
    const remove = () => removeAbandoned(store, name, isAlive);
    return { kind: "checkpoint", path: relative(store.root, dir), bytes: bytesUsed(dir), remove };
  });
}

/** A template's size is what is free again when it alone goes: others may read the same layers. */
function templatesIn(store: Store): Found[] {
  const { template, layer } = snapshotPaths(store);
  const { readers, unsure } = layerReaders(store);
  return templates(store).map(({ key }) => {
    const { dir } = template(key);
    const isIt = (one: { kind: string; name: string }) => one.kind === "template" && one.name === key;
    const own = readers.find(isIt)?.layers.filter((id) =>
      !readers.some((one) => !isIt(one) && one.layers.includes(id))
    ) ?? [];
    const freed = unsure.length > 0 ? [] : own;
    const bytes = freed.reduce((sum, id) => sum + bytesUsed(layer(id)), bytesUsed(dir));
    return { kind: "template", path: relative(store.root, dir), bytes, remove: () => removeTemplate(store, key) };
  });
}

/** Their last reader was removed by a process that was killed. */
function layersIn(store: Store): Found[] {
  const { layer } = snapshotPaths(store);
  return unusedLayers(store).map((id) => ({
    kind: "layer",
    path: relative(store.root, layer(id)),
    bytes: bytesUsed(layer(id)),
    // All of them go with the first one.
    remove: async () => (await collectLayers(store), !exists(layer(id))),
  }));
}
