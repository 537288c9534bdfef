/**
 * The parts of a store, each with its way to be removed, and what is in the store and not fleetbox's.
 *
 * What fleetbox writes is known by its name and place (`store.ts`); all else is a user's own and stays, also within the
 * directories that fleetbox makes. What is a directory is renamed first, so that one whose removal was interrupted is known as
 * a temporary one by the next `uninstall`.
 */

import { clusterOf, isName } from "../../core/names.ts";
import { FleetboxError } from "../../core/errors.ts";
import { removeStopped } from "../../control/remove.ts";
import { storedTraces } from "../../control/recording/traces.ts";
import { isImageName, removeImage } from "../../image/cache.ts";
import { DISK_FILE, hasDisk, isWriteLog } from "../../store/disk.ts";
import { collectLayers, removeCheckpoint, removeTemplate, snapshotPaths } from "../../store/snapshots.ts";
import { SNAPSHOT_ID } from "../../store/config.ts";
import { closeConnections } from "../../control/places/connection.ts";
import type { Store } from "../../store.ts";
import { broughtDir, jobsDir, placesDir } from "../../store/places.ts";
import { bytesUsed, entriesOf, exists, isFile, namesIn, temporaryOf, writerOf } from "../../system/files.ts";
import { isBeingMade } from "../../system/process.ts";
import { basename, join } from "../../system/path.ts";
import type { Left, OwnPart } from "./part.ts";

type Found = { part: OwnPart } | { left: Left };

const NOT_OURS = "not fleetbox's";
const MEMBER_FILE =
  /^(\.lock|pid|config\.json|seed\.img|efivars\.fd|fixture-\d+\.img|serial\.log|run\.log|host|qmp\.sock|net\.sock|suspended)$/;
const RUN_FILE =
  /^(\.lock|\.doctor-.*|[0-9a-f]{16}\.(sock|ctl|qmp|net|con|agt|sav|s[0-7])|[0-9a-f]{12}\.(json|gwq|gwn))$/;
const IMAGE_FILE = /^([0-9a-f]{16})\.(part|part\.json|lock)$/;
const HELPER_FILE = /^(\.lock|fleetbox-helper-.*|fleetbox-[0-9a-f]{16})$/;
const TRACE_ID = /-\d{8}-\d{6}-[0-9a-f]{4}$/;
const NOTES = ["accelerator.json", "said-once.json"];
const KEYS = ["id_ed25519", "id_ed25519.pub"];

/** All of a store. Removes nothing. */
export function storeParts(store: Store): { parts: OwnPart[]; left: Left[] } {
  const found = [
    ...inRoot(store),
    ...inClusters(store),
    ...inSnapshots(store),
    ...inImages(store),
    ...inTraces(store),
    ...inPlaces(store),
    ...inBrought(store),
    ...inJobs(store),
    ...inDirectory(store.binDir, (name) => HELPER_FILE.test(name) ? "helper" : undefined),
    ...inDirectory(store.runDir, (name) => RUN_FILE.test(name) ? "run" : undefined),
  ];
  return {
    parts: found.flatMap((one) => "part" in one ? [one.part] : []),
    left: found.flatMap((one) => "left" in one ? [one.left] : []),
  };
}

/** The directories of a store that fleetbox makes, the deepest first: those that are empty go at the end. */
export function emptyDirectories(store: Store): string[] {
  const { dir, layersDir, templatesDir, checkpointsDir } = snapshotPaths(store);
  const clusters = entriesOf(store.clustersDir).filter(({ isDirectory }) => isDirectory)
    .map(({ name }) => join(store.clustersDir, name));
  return [
    ...clusters,
    store.clustersDir,
    ...[layersDir, templatesDir, checkpointsDir, dir],
    ...[join(store.imagesDir, "refs"), store.imagesDir],
    ...[
      store.tracesDir,
      placesDir(store),
      broughtDir(store.root),
      jobsDir(store.root),
      store.binDir,
      store.runDir,
      store.root,
    ],
  ];
}

function inRoot(store: Store): Found[] {
  const { clustersDir, snapshotsDir, imagesDir, tracesDir, binDir, runDir } = store;
  const others = [placesDir(store), broughtDir(store.root), jobsDir(store.root)];
  const places = [clustersDir, snapshotsDir, imagesDir, tracesDir, ...others, binDir, runDir];
  const known = places.map((path) => basename(path));
  return inDirectory(store.root, (name) => {
    if (KEYS.includes(name)) return "key";
    if (NOTES.includes(name)) return "note";
    const log = /^runner-(.*)\.log$/.exec(name)?.[1];
    return log !== undefined && isName(log) ? "log" : undefined;
  }, known);
}

function inClusters(store: Store): Found[] {
  const clusters = entriesOf(store.clustersDir);
  return clusters.flatMap(({ name: cluster, isDirectory }): Found[] => {
    const at = join(store.clustersDir, cluster);
    if (!isDirectory || writerOf(cluster) !== undefined) return [temporaryOrLeft(at)];
    return entriesOf(at).map(({ name, isDirectory }): Found => {
      const dir = join(at, name);
      if (!isDirectory || !isName(name) || clusterOf(name) !== cluster) return temporaryOrLeft(dir);
      const others = namesIn(dir).filter((file) => !isMemberFile(file));
      const isMember = exists(join(dir, "config.json")) || hasDisk(dir);
      if (!isMember && others.length > 0) return leftAt(dir);
      const problem = others.length > 0 ? hasOthers(name, dir, others) : undefined;
      const remove = () => {
        if (problem) throw problem;
        return removeStopped(store, name);
      };
      return own("member", dir, remove, { name, problem });
    });
  });
}

function isMemberFile(name: string): boolean {
  return MEMBER_FILE.test(name) || DISK_FILE.test(name) || isWriteLog(name) || writerOf(name) !== undefined;
}

/** A member whose directory has a user's own files, too: they would go with it. */
function hasOthers(name: string, dir: string, others: readonly string[]): FleetboxError {
  return new FleetboxError(
    "conflict",
    `Cannot remove "${name}": ${dir} has files that are not fleetbox's: ${others.join(", ")}`,
    {
      hint: `Move them away, or remove them with the member: fleetbox rm ${name}`,
    },
  );
}

function inSnapshots(store: Store): Found[] {
  const { dir, layersDir, templatesDir, checkpointsDir } = snapshotPaths(store);
  const known = [layersDir, templatesDir, checkpointsDir].map((path) => basename(path));
  return [
    ...inDirectory(dir, (name) => /^\.(.*\.)?lock$/.test(name) ? "run" : undefined, known),
    ...entriesOf(checkpointsDir).map(({ name }) => {
      const path = join(checkpointsDir, name);
      if (!isName(name)) return temporaryOrLeft(path);
      return own("checkpoint", path, () => removeCheckpoint(store, name), { name });
    }),
    ...entriesOf(templatesDir).map(({ name }) => {
      const path = join(templatesDir, name);
      return SNAPSHOT_ID.test(name) ? own("template", path, () => removeTemplate(store, name)) : temporaryOrLeft(path);
    }),
    // They go with what is based on them; those that nothing is based on are collected.
    ...entriesOf(layersDir).map(({ name }) => {
      const path = join(layersDir, name);
      const isLayer = name.endsWith(".qcow2") && SNAPSHOT_ID.test(name.slice(0, -".qcow2".length));
      return isLayer ? own("layer", path, () => collectLayers(store)) : temporaryOrLeft(path);
    }),
  ];
}

function inImages(store: Store): Found[] {
  const refs = join(store.imagesDir, "refs");
  const isReference = (name: string) => /^[0-9a-f]{16}\.json$/.test(name);
  return [
    ...entriesOf(store.imagesDir).filter(({ name }) => name !== "refs").map(({ name, isDirectory }) => {
      const path = join(store.imagesDir, name);
      if (isDirectory && isImageName(name) && isFile(join(path, "image.json"))) {
        return own("image", path, () => removeImage(store, name), { name });
      }
      return IMAGE_FILE.test(name) ? own("download", path, () => removeAt(path)) : temporaryOrLeft(path);
    }),
    ...inDirectory(refs, (name) => isReference(name) ? "download" : undefined),
  ];
}

function inTraces(store: Store): Found[] {
  const traces = new Set(storedTraces(store).map(({ id }) => id));
  return entriesOf(store.tracesDir).map(({ name, isDirectory }) => {
    const path = store.trace(name);
    if (name === ".lock") return own("run", path, () => removeAt(path));
    if (!isDirectory || !(traces.has(name) || TRACE_ID.test(name))) return temporaryOrLeft(path);
    return own("trace", path, () => removeAt(path), { name });
  });
}

/** What is here of other hosts: a file and a directory each, with the one connection. */
function inPlaces(store: Store): Found[] {
  return entriesOf(placesDir(store)).map(({ name: file, isDirectory }) => {
    const path = join(placesDir(store), file);
    const name = file.replace(isDirectory ? /\.[0-9a-z]+$/ : /\.json$/, ""); // of a job: place.job
    if (!isName(name) || (!isDirectory && name === file)) return temporaryOrLeft(path);
    return own("place", path, async () => {
      await closeConnections(store, isDirectory ? file : name);
      await removeAt(path);
    }, { name });
  });
}

function inBrought(store: Store): Found[] {
  return entriesOf(broughtDir(store.root)).map(({ name, isDirectory }) => {
    const path = join(broughtDir(store.root), name);
    return isDirectory && /^[0-9a-f]{16}$/.test(name)
      ? own("brought", path, () => removeAt(path))
      : temporaryOrLeft(path);
  });
}

/** Of jobs of an engine: the keys of their SSH servers, and files of those that run or ended other than in order. */
function inJobs(store: Store): Found[] {
  return entriesOf(jobsDir(store.root)).map(({ name, isDirectory }) => {
    const path = join(jobsDir(store.root), name);
    const isOurs = isDirectory ? name === "ssh" : /\.(json|on|log|sock)$/.test(name);
    return isOurs ? own(isDirectory ? "key" : "run", path, () => removeAt(path)) : temporaryOrLeft(path);
  });
}

/** Files of which the name says what they are. */
function inDirectory(
  dir: string,
  kindOf: (name: string) => OwnPart["kind"] | undefined,
  known: readonly string[] = [],
): Found[] {
  return entriesOf(dir).filter(({ name }) => !known.includes(name)).map(({ name, isDirectory }) => {
    const path = join(dir, name);
    const kind = isDirectory ? undefined : kindOf(name);
    return kind ? own(kind, path, () => removeAt(path)) : temporaryOrLeft(path);
  });
}

/** What is being made, or was when its maker was killed; else it is not ours. */
function temporaryOrLeft(path: string): Found {
  const writer = writerOf(basename(path));
  if (writer === undefined) return leftAt(path);
  return own("temporary", path, () => {
    if (writer !== Deno.pid && isBeingMade(basename(path))) {
      throw new FleetboxError("conflict", `Cannot remove ${path}: process ${writer} is making it`, {
        hint: "Wait until it has ended, and run fleetbox uninstall again.",
      });
    }
    return removeAt(path);
  });
}

function leftAt(path: string): Found {
  return { left: { path, why: NOT_OURS } };
}

function own(
  kind: OwnPart["kind"],
  path: string,
  remove: OwnPart["remove"],
  more: Pick<OwnPart, "name" | "problem"> = {},
): Found {
  return { part: { kind, ...more, path, bytes: bytesUsed(path), remove } };
}

/** A file or a link at once, a directory by way of another name. Links are not followed. */
export async function removeAt(path: string): Promise<void> {
  try {
    if (!(await Deno.lstat(path)).isDirectory) return await Deno.remove(path);
    const doomed = writerOf(basename(path)) === undefined ? temporaryOf(path) : path;
    if (doomed !== path) await Deno.rename(path, doomed);
    await Deno.remove(doomed, { recursive: true });
  } catch (thrown) {
    if (!(thrown instanceof Deno.errors.NotFound)) throw thrown;
  }
}
