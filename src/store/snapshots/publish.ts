/**
 * How a template or a checkpoint becomes visible: its manifest is written where it is made, all of it is synced, and then it is
 * renamed to its place, whole. It keeps its layers from the moment at which its manifest is written.
 */

import { FleetboxError } from "../../core/errors.ts";
import { join } from "../../core/paths.ts";
import { bytesUsed, exists, storeError, syncPath, writeDurably } from "../../system/files.ts";
import type { ProcessIdentity } from "../../system/process.ts";
import type { Store } from "../../store.ts";
import type { MemberConfig } from "../config.ts";
import { evictTemplates, templateBudget } from "./budget.ts";
import { missingLayer } from "./layers.ts";
import { withSnapshotLock } from "./lock.ts";
import { discardMaking } from "./making.ts";
import { type CheckpointManifest, layersIn, savedMember, type TemplateManifest } from "./manifests.ts";
import { snapshotFilesIn, snapshotPaths } from "./paths.ts";
import { readTemplate } from "./read.ts";
import { makeUnreachable, removeUnreachable } from "./remove.ts";

export interface NewTemplate {
  key: string;
  parts: Record<string, string>;
  /** The member's, after its disk was frozen. */
  config: MemberConfig;
}

export interface NewCheckpoint {
  name: string;
  group: string;
  /** The driver's facts. */
  host: string;
  /** The members' configs, after their disks were frozen. The files of each are in a directory of its name. */
  members: readonly MemberConfig[];
  /** The checkpoint that all of them had come from. */
  basedOn?: string;
  /** The program with which it goes. */
  owner?: ProcessIdentity;
}

/**
 * Makes the template in a directory of {@link newMaking} visible, and removes others that are too much then. The directory is gone
 * afterwards, whatever comes of it.
 * @returns `exists`: another was faster, and stays; `over-budget`: it alone is more than all may be.
 * @throws {FleetboxError} `conflict`: one of its layers, or of its files, is gone; `no-space`, `denied`, `failed`
 */
export async function publishTemplate(
  store: Store,
  making: string,
  { key, parts, config }: NewTemplate,
  budgetBytes: number = templateBudget(),
): Promise<"made" | "exists" | "over-budget"> {
  const what = `the template ${key}`;
  return await makeOrDiscard(making, what, async () => {
    const place = snapshotPaths(store).template(key).dir;
    checkSaved(what, making);
    const member = savedMember(config, bytesOf(store, making, config));
    if (member.bytes > budgetBytes) return "over-budget";
    const manifest: TemplateManifest = { version: 1, key, made_at: new Date().toISOString(), parts, member };
    await makeLasting(store, making, manifest);
    return await withSnapshotLock(store, async () => {
      if (isSound(store, key)) return "exists";
      await makeVisible(store, making, place, manifest, what);
      const evicted = await evictTemplates(store, budgetBytes).catch((): string[] => []); // they go with the next one
      return evicted.includes(key) ? "over-budget" : "made";
    });
  });
}

/**
 * The same for a checkpoint. It is new, or this fails.
 * @throws {FleetboxError} `conflict`: there is one of that name, or as {@link publishTemplate}
 */
export async function publishCheckpoint(
  store: Store,
  making: string,
  { name, group, host, members, basedOn, owner }: NewCheckpoint,
): Promise<CheckpointManifest> {
  const what = `the checkpoint "${name}"`;
  return await makeOrDiscard(making, what, async () => {
    const place = snapshotPaths(store).checkpoint(name).dir;
    const saved = members.map((config) => {
      const dir = join(making, config.name);
      checkSaved(what, dir);
      return [config.name, savedMember(config, bytesOf(store, dir, config))] as const;
    });
    const manifest: CheckpointManifest = {
      version: 1,
      name,
      made_at: new Date().toISOString(),
      group,
      members: Object.fromEntries(saved),
      host,
      ...(basedOn === undefined ? {} : { based_on: basedOn }),
      ...(owner === undefined ? {} : { owner }),
    };
    checkNew(store, name);
    await makeLasting(store, making, manifest);
    return await withSnapshotLock(store, async () => {
      checkNew(store, name);
      await makeVisible(store, making, place, manifest, what);
      return manifest;
    });
  });
}

/** @throws {FleetboxError} `conflict`: there is a checkpoint of that name, whole or damaged */
export function checkNew(store: Store, name: string): void {
  const { dir } = snapshotPaths(store).checkpoint(name);
  if (!exists(dir)) return;
  throw new FleetboxError("conflict", `There is a checkpoint "${name}" already`, {
    hint: `Use another name, or remove it first: fleetbox checkpoint rm ${name}`,
  });
}

async function makeOrDiscard<T>(making: string, what: string, make: () => Promise<T>): Promise<T> {
  try {
    return await make();
  } catch (cause) {
    throw storeError(`Cannot keep ${what}`, cause);
  } finally {
    if (exists(making)) await discardMaking(making);
  }
}

/** A damaged one is replaced. */
function isSound(store: Store, key: string): boolean {
  try {
    return readTemplate(store, key) !== undefined;
  } catch {
    return false;
  }
}

/** Renames it to its place. The caller holds the lock. */
async function makeVisible(
  store: Store,
  making: string,
  place: string,
  manifest: TemplateManifest | CheckpointManifest,
  what: string,
): Promise<void> {
  const gone = missingLayer(store, layersIn(manifest));
  if (gone !== undefined) throw new FleetboxError("conflict", `Cannot keep ${what}: ${gone} was removed meanwhile`);
  if (exists(place)) await removeUnreachable(await makeUnreachable(store, place));
  await Deno.rename(making, place);
  await syncPath(join(place, ".."));
}

/** Writes the manifest, and everything of it to the disk; also the layers, which the machines wrote until now. */
async function makeLasting(
  store: Store,
  making: string,
  manifest: TemplateManifest | CheckpointManifest,
): Promise<void> {
  await writeDurably(join(making, "manifest.json"), JSON.stringify(manifest, null, 2) + "\n");
  await syncTree(making);
  const { layer, layersDir } = snapshotPaths(store);
  for (const id of new Set(layersIn(manifest))) if (exists(layer(id))) await syncPath(layer(id));
  await syncPath(layersDir);
}

/** Syncs a directory with all in it, and makes it private: it holds what a guest's memory held. */
async function syncTree(dir: string): Promise<void> {
  await Deno.chmod(dir, 0o700);
  for await (const { name, isDirectory } of Deno.readDir(dir)) {
    const path = join(dir, name);
    if (isDirectory) await syncTree(path);
    else {
      await Deno.chmod(path, 0o600);
      await syncPath(path);
    }
  }
  await syncPath(dir);
}

/** @throws {FleetboxError} `conflict`: a part of the saved machine is missing */
function checkSaved(what: string, dir: string): void {
  const { devices, memory } = snapshotFilesIn(dir);
  const missing = [devices, memory].find((path) => !exists(path));
  if (missing !== undefined) throw new FleetboxError("conflict", `Cannot keep ${what}: ${missing} is missing`);
}

/** The saved machine's files and the layer that was its disk. */
function bytesOf(store: Store, dir: string, { layers: [own] = [] }: MemberConfig): number {
  return bytesUsed(dir) + (own === undefined ? 0 : bytesUsed(snapshotPaths(store).layer(own)));
}
