/** Templates and checkpoints as they are read: each by itself, or all of them. A damaged one comes with its damage. */

import { FleetboxError, isNotFound, messageOf } from "../../core/errors.ts";
import { isName } from "../../core/names.ts";
import { bytesUsed, namesIn, statIfThere } from "../../system/files.ts";
import { naturalOrder, type Store } from "../../store.ts";
import { SNAPSHOT_ID } from "../config.ts";
import {
  type CheckpointManifest,
  layersIn,
  membersIn,
  parseCheckpoint,
  parseTemplate,
  type TemplateManifest,
} from "./manifests.ts";
import { type SavedPaths, snapshotPaths } from "./paths.ts";

export type StoredTemplate =
  | { key: string; manifest: TemplateManifest; bytes: number; used: Date }
  | { key: string; damage: FleetboxError; bytes: number };

export type StoredCheckpoint =
  | { name: string; manifest: CheckpointManifest; bytes: number }
  | { name: string; damage: FleetboxError; bytes: number };

/** A template, or undefined when there is none of that key. @throws {FleetboxError} `damaged` */
export function readTemplate(store: Store, key: string): TemplateManifest | undefined {
  const { manifest: path, ...files } = snapshotPaths(store).template(key);
  try {
    return readWhole(files.dir, () => {
      const manifest = parseTemplate(textOf(path), key);
      checkFiles(store, manifest, () => files);
      return manifest;
    });
  } catch (cause) {
    throw new FleetboxError("damaged", `The template ${key} cannot be used: ${messageOf(cause)} (${path})`, {
      cause,
      hint: "Remove it: fleetbox prune",
    });
  }
}

/** A checkpoint, or undefined when there is none of that name. @throws {FleetboxError} `damaged`; `misuse`: not a name */
export function readCheckpoint(store: Store, name: string): CheckpointManifest | undefined {
  const { manifest: path, dir, member } = snapshotPaths(store).checkpoint(name);
  try {
    return readWhole(dir, () => {
      const manifest = parseCheckpoint(textOf(path), name);
      checkFiles(store, manifest, member);
      return manifest;
    });
  } catch (cause) {
    throw new FleetboxError("damaged", `The checkpoint "${name}" cannot be used: ${messageOf(cause)} (${path})`, {
      cause,
      hint: `Remove it: fleetbox checkpoint rm ${name}`,
    });
  }
}

/**
 * Reads what is in a directory; undefined when there is none. What does not fit counts only when it was the same directory all the
 * time: another process may have removed it meanwhile, and a third may have put a new one in its place.
 */
function readWhole<T>(dir: string, read: () => T): T | undefined {
  for (let is = statIfThere(dir); is;) {
    try {
      return read();
    } catch (thrown) {
      const was = is;
      is = statIfThere(dir);
      if (is && is.ino === was.ino && is.mtime?.getTime() === was.mtime?.getTime()) throw thrown;
    }
  }
  return undefined;
}

/** A manifest's text. */
function textOf(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (thrown) {
    if (!isNotFound(thrown)) throw thrown;
    throw new Error("its manifest.json is missing", { cause: thrown });
  }
}

/** @throws {Error} a file is missing, or nothing is in it */
function checkFiles(
  store: Store,
  manifest: TemplateManifest | CheckpointManifest,
  filesOf: (name: string) => Pick<SavedPaths, "devices" | "memory" | "sharedDirectoryImage">,
): void {
  const paths = snapshotPaths(store);
  const files = membersIn(manifest).flatMap(({ config }) => {
    const { devices, memory, sharedDirectoryImage } = filesOf(config.name);
    const shared = config.fixtures.map((_, index) => sharedDirectoryImage(index));
    return [devices, memory, ...shared, ...config.layers!.map(paths.layer)];
  });
  for (const path of files) {
    const size = statIfThere(path)?.size;
    if (!size) throw new Error(`${path} is ${size === undefined ? "missing" : "empty"}`);
  }
}

/** Every template, the one that was used last first. */
export function templates(store: Store): StoredTemplate[] {
  const { templatesDir, template } = snapshotPaths(store);
  const found = namesIn(templatesDir).filter((key) => SNAPSHOT_ID.test(key)).flatMap((key): StoredTemplate[] => {
    const files = template(key);
    try {
      const manifest = readTemplate(store, key);
      if (!manifest) return []; // it was removed meanwhile
      return [{ key, manifest, bytes: bytesOf(store, files.dir, manifest), used: timeOf(files.manifest) }];
    } catch (thrown) {
      return [{ key, damage: thrown as FleetboxError, bytes: bytesUsed(files.dir) }];
    }
  });
  const time = (one: StoredTemplate) => "used" in one ? one.used.getTime() : 0;
  return found.sort((a, b) => time(b) - time(a) || (a.key < b.key ? -1 : 1));
}

/** Every checkpoint, by name. */
export function checkpoints(store: Store): StoredCheckpoint[] {
  const { checkpointsDir, checkpoint } = snapshotPaths(store);
  return namesIn(checkpointsDir).filter(isName).sort(naturalOrder).flatMap((name): StoredCheckpoint[] => {
    const { dir } = checkpoint(name);
    try {
      const manifest = readCheckpoint(store, name);
      return manifest ? [{ name, manifest, bytes: bytesOf(store, dir, manifest) }] : [];
    } catch (thrown) {
      return [{ name, damage: thrown as FleetboxError, bytes: bytesUsed(dir) }];
    }
  });
}

/** What a template or a checkpoint takes up on the disk, with all layers that it reads: others may read them, too. */
function bytesOf(store: Store, dir: string, manifest: TemplateManifest | CheckpointManifest): number {
  const { layer } = snapshotPaths(store);
  return [...new Set(layersIn(manifest))].reduce((sum, id) => sum + bytesUsed(layer(id)), bytesUsed(dir));
}

/** When a template was used last, by its manifest's time. */
function timeOf(manifest: string): Date {
  return statIfThere(manifest)?.mtime ?? new Date(0);
}

/** Says that a template is used now: the least recently used one goes first. */
export function touchTemplate(store: Store, key: string): void {
  const now = new Date();
  try {
    Deno.utimeSync(snapshotPaths(store).template(key).manifest, now, now);
  } catch { /* it was removed meanwhile, or its disk is read-only: it goes a little earlier then */ }
}
