/**
 * The layers, and who reads them.
 *
 * A layer goes when nothing reads it. What reads one is written under the snapshots' lock, and layers are counted under it. Whatever
 * might read one and cannot be read itself keeps all of them: a disk that is based on a layer is nothing without it.
 */

import { FleetboxError, isNotFound, messageOf } from "../../core/errors.ts";
import { clusterOf, isName } from "../../core/names.ts";
import { join } from "../../core/paths.ts";
import { bytesUsed, exists, namesIn, storeError } from "../../system/files.ts";
import { isBeingMade } from "../../system/process.ts";
import type { Store } from "../../store.ts";
import { type MemberConfig, SNAPSHOT_ID } from "../config.ts";
import { withSnapshotLock } from "./lock.ts";
import {
  type CheckpointManifest,
  layersIn,
  membersIn,
  parseCheckpoint,
  parseTemplate,
  type TemplateManifest,
} from "./manifests.ts";
import { MAKING, snapshotPaths } from "./paths.ts";

/** Something that reads layers. */
export interface LayerReader {
  kind: "member" | "template" | "checkpoint" | "making";
  name: string;
  layers: string[];
  /** The images below them. */
  images: string[];
}

/** All readers, and why the list may not be complete. */
export interface LayerReaders {
  readers: LayerReader[];
  /** A sentence for each thing that cannot be read. */
  unsure: string[];
}

/** What {@link collectLayers} has done. */
export interface Collection {
  /** The layers that were removed. */
  removed: string[];
  bytes: number;
  /** Why none was removed although some may be unused. */
  unsure: string[];
}

/** Removes the layers that nothing reads. @throws {FleetboxError} `denied`, `failed`: one cannot be removed */
export async function collectLayers(store: Store): Promise<Collection> {
  // Usually there are none, and then there is no need for a lock.
  if (layerIds(store).length === 0) return { removed: [], bytes: 0, unsure: [] };
  return await withSnapshotLock(store, () => collectLayersHeld(store));
}

/** {@link collectLayers}, for callers that hold the lock. */
export async function collectLayersHeld(store: Store): Promise<Collection> {
  const { layer } = snapshotPaths(store);
  const { readers, unsure } = layerReaders(store);
  if (unsure.length > 0) return { removed: [], bytes: 0, unsure };
  const [removed, failures]: [string[], unknown[]] = [[], []];
  let bytes = 0;
  for (const id of withoutReader(store, readers)) {
    const size = bytesUsed(layer(id));
    try {
      await Deno.remove(layer(id));
      removed.push(id);
      bytes += size;
    } catch (cause) {
      if (!isNotFound(cause)) failures.push(storeError(`Cannot remove the layer ${layer(id)}`, cause));
    }
  }
  if (failures.length > 0) throw failures[0];
  return { removed, bytes, unsure: [] };
}

/** The layers that {@link collectLayers} would remove. */
export function unusedLayers(store: Store): string[] {
  const { readers, unsure } = layerReaders(store);
  return unsure.length > 0 ? [] : withoutReader(store, readers);
}

function withoutReader(store: Store, readers: readonly LayerReader[]): string[] {
  const read = new Set(readers.flatMap(({ layers }) => layers));
  return layerIds(store).filter((id) => !read.has(id));
}

/** The layers that are there. */
export function layerIds(store: Store): string[] {
  return namesIn(snapshotPaths(store).layersDir).flatMap((file) => {
    const [, id = "", rest] = /^(.{16})(.*)$/.exec(file) ?? [];
    return SNAPSHOT_ID.test(id) && rest === ".qcow2" ? [id] : [];
  }).sort();
}

/** Everything that reads layers. Hold the lock, if something is to be removed. */
export function layerReaders(store: Store): LayerReaders {
  const found: LayerReaders = { readers: [], unsure: [] };
  const part = (read: (found: LayerReaders) => void) => {
    try {
      read(found);
    } catch (thrown) {
      found.unsure.push(messageOf(thrown));
    }
  };
  part((all) => addMembers(store, all));
  part((all) => addTemplates(store, all));
  part((all) => addCheckpoints(store, all));
  part((all) => addMakings(store, all));
  return found;
}

/** Unlike `store.members()` it also follows links, and fails when a directory cannot be read. */
function addMembers(store: Store, { readers, unsure }: LayerReaders): void {
  for (const cluster of namesThere(store.clustersDir)) {
    for (const name of namesThere(join(store.clustersDir, cluster))) {
      if (!isName(name) || clusterOf(name) !== cluster) continue;
      const stored = store.readMember(name);
      if (!stored) continue;
      if ("damage" in stored) unsure.push(messageOf(stored.damage));
      else readers.push({ kind: "member", name, layers: stored.config.layers ?? [], images: [stored.config.image_id] });
    }
  }
}

/** One whose manifest says nothing is of no use to anybody: it does not count. */
function addTemplates(store: Store, { readers }: LayerReaders): void {
  const { templatesDir, template } = snapshotPaths(store);
  for (const key of namesThere(templatesDir)) {
    if (!SNAPSHOT_ID.test(key)) continue;
    const text = textThere(template(key).manifest);
    try {
      if (text !== undefined) readers.push(readerOf("template", key, parseTemplate(text, key)));
    } catch { /* it cannot be used, and goes when room is made */ }
  }
}

function addCheckpoints(store: Store, { readers, unsure }: LayerReaders): void {
  const { checkpointsDir, checkpoint } = snapshotPaths(store);
  for (const name of namesThere(checkpointsDir)) {
    if (!isName(name)) continue;
    const { manifest, dir } = checkpoint(name);
    try {
      const text = textThere(manifest);
      if (text !== undefined) readers.push(readerOf("checkpoint", name, parseCheckpoint(text, name)));
      else if (exists(dir)) throw new Error("its manifest.json is missing");
    } catch (thrown) {
      unsure.push(`The checkpoint "${name}" cannot be read: ${messageOf(thrown)} (${manifest})`);
    }
  }
}

/** Those of processes that are gone never become visible. */
function addMakings(store: Store, { readers, unsure }: LayerReaders): void {
  const { dir } = snapshotPaths(store);
  for (const name of namesThere(dir)) {
    if (!name.startsWith(`${MAKING}.`) || !isBeingMade(name)) continue;
    const path = join(dir, name, "manifest.json");
    const text = textThere(path);
    if (text === undefined) continue; // until it has one, its layers are counted by their members' configs
    try {
      const { key, name: checkpoint } = JSON.parse(text);
      const manifest = key === undefined ? parseCheckpoint(text, checkpoint) : parseTemplate(text, key);
      readers.push(readerOf("making", name, manifest));
    } catch (thrown) {
      unsure.push(`${path} cannot be read: ${messageOf(thrown)}`);
    }
  }
}

function readerOf(
  kind: LayerReader["kind"],
  name: string,
  manifest: TemplateManifest | CheckpointManifest,
): LayerReader {
  return { kind, name, layers: layersIn(manifest), images: membersIn(manifest).map(({ config }) => config.image_id) };
}

/** What is in a directory; nothing when it is not there. Fails otherwise: what cannot be seen may be a reader. */
function namesThere(dir: string): string[] {
  try {
    return [...Deno.readDirSync(dir)].map(({ name }) => name);
  } catch (cause) {
    if (isGone(cause)) return [];
    throw new FleetboxError("failed", `Cannot read ${dir}: ${messageOf(cause)}`, { cause });
  }
}

function textThere(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch (cause) {
    if (isGone(cause)) return undefined;
    throw new FleetboxError("failed", `Cannot read ${path}: ${messageOf(cause)}`, { cause });
  }
}

function isGone(thrown: unknown): boolean {
  return isNotFound(thrown) || thrown instanceof Deno.errors.NotADirectory;
}

/**
 * Makes the disk at `from` a layer, too: one more name of the same file. It is unused until a config or a manifest names it, so
 * the caller holds the lock from before until that is written.
 * @throws {FleetboxError} `no-space`, `denied` or `failed`
 */
export async function linkLayer(store: Store, from: string, id: string): Promise<void> {
  const path = snapshotPaths(store).layer(id);
  try {
    await Deno.link(from, path);
    await Deno.chmod(path, 0o600);
  } catch (cause) {
    throw storeError(`Cannot make ${from} a layer of snapshots (${path})`, cause);
  }
}

/**
 * Writes the config of a member whose disk is based on layers, which stay from then on. The caller holds the member's lock.
 * @throws {FleetboxError} `not-found`: one of them was removed
 */
export async function claimLayers(store: Store, config: MemberConfig): Promise<void> {
  await withSnapshotLock(store, async () => {
    const gone = missingLayer(store, config.layers ?? []);
    if (gone !== undefined) {
      throw new FleetboxError("not-found", `The disk of "${config.name}" cannot be based on ${gone}: it was removed`);
    }
    await store.writeConfig(config);
  });
}

/** The path of the first of these layers that is not there. */
export function missingLayer(store: Store, ids: readonly string[]): string | undefined {
  const { layer } = snapshotPaths(store);
  return ids.map(layer).find((path) => !exists(path));
}
