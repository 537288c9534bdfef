/** What snapshots take up on the disk, and which images they need. Each layer counts once. */

import { bytesUsed, namesIn } from "../../system/files.ts";
import { join } from "../../core/paths.ts";
import { isAbandoned } from "../../system/process.ts";
import type { Store } from "../../store.ts";
import { layerIds, layerReaders, unusedLayers } from "./layers.ts";
import { snapshotPaths } from "./paths.ts";
import { checkpoints, templates } from "./read.ts";

interface Part {
  count: number;
  bytes: number;
}

export interface SnapshotUse {
  /** What is free again when all templates go: their files, and the layers that nothing else reads. */
  templates: Part;
  /** The same for checkpoints. */
  checkpoints: Part;
  /** All layers, whoever reads them. */
  layers: Part;
  /** Layers that nothing reads, and what killed processes were making or removing. */
  leftovers: Part;
  /** Why layers that seem unused stay. */
  unsure: string[];
}

/** What all of it takes up. */
export function snapshotUse(store: Store): SnapshotUse {
  const { dir, layer, templatesDir, checkpointsDir } = snapshotPaths(store);
  const { readers, unsure } = layerReaders(store);
  const kinds = new Map<string, Set<string>>();
  for (const { kind, layers } of readers) {
    for (const id of layers) kinds.set(id, (kinds.get(id) ?? new Set()).add(kind));
  }
  const ids = layerIds(store);
  const sum = (paths: readonly string[]) => paths.reduce((bytes, path) => bytes + bytesUsed(path), 0);
  const readOnlyBy = (kind: string) => ids.filter((id) => kinds.get(id)?.size === 1 && kinds.get(id)!.has(kind));
  const ofKind = (kind: string, count: number, place: string): Part => ({
    count,
    bytes: bytesUsed(place) + sum(readOnlyBy(kind).map(layer)),
  });
  const left = [
    ...unusedLayers(store).map(layer),
    ...namesIn(dir).filter(isAbandoned).map((name) => join(dir, name)),
  ];
  return {
    templates: ofKind("template", templates(store).length, templatesDir),
    checkpoints: ofKind("checkpoint", checkpoints(store).length, checkpointsDir),
    layers: { count: ids.length, bytes: sum(ids.map(layer)) },
    leftovers: { count: left.length, bytes: sum(left) },
    unsure,
  };
}

/** What is based on an image besides members. */
export interface ImageUsers {
  /** Its layers need it: it must stay. */
  checkpoints: string[];
  /** A cache: they may go with it. */
  templates: string[];
  /** Why there may be more. */
  unsure: string[];
}

/** The checkpoints and templates whose disks are based on an image. */
export function snapshotsOfImage(store: Store, image: string): ImageUsers {
  const { readers, unsure } = layerReaders(store);
  const namesOf = (kind: string) =>
    readers.filter((one) => one.kind === kind && one.images.includes(image)).map(({ name }) => name).sort();
  return { checkpoints: namesOf("checkpoint"), templates: namesOf("template"), unsure };
}
