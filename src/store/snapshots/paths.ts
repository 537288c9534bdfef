/** Every path below `snapshots/`. What becomes a part of a path is checked here. */

import { hex } from "../../core/bytes.ts";
import { FleetboxError } from "../../core/errors.ts";
import { checkName } from "../../core/names.ts";
import { join } from "../../core/paths.ts";
import type { Store } from "../../store.ts";
import { SNAPSHOT_ID } from "../config.ts";

/** What the name of a directory begins with in which a template or a checkpoint is made, or in which one is removed. */
export const MAKING = "making";
export const REMOVED = "removed";

/** The files of a saved machine. */
export interface SavedPaths {
  dir: string;
  devices: string;
  memory: string;
  /** The variables of its UEFI firmware, when it has one. */
  efiVars: string;
  /** The image of its n-th shared directory. */
  sharedDirectoryImage: (index: number) => string;
}

/** What a checkpoint consists of. */
export interface CheckpointPaths {
  /** Held by the program that is making it, where others wait for that. */
  lock: string;
  dir: string;
  manifest: string;
  member: (name: string) => SavedPaths;
}

export interface SnapshotPaths {
  dir: string;
  lock: string;
  layersDir: string;
  templatesDir: string;
  checkpointsDir: string;
  layer: (id: string) => string;
  template: (key: string) => SavedPaths & { manifest: string };
  checkpoint: (name: string) => CheckpointPaths;
}

/** The paths of snapshots. They throw `misuse` for what is no id, key or name. */
export function snapshotPaths(store: Store): SnapshotPaths {
  const dir = store.snapshotsDir;
  const [layersDir, templatesDir, checkpointsDir] = ["layers", "templates", "checkpoints"].map((name) =>
    join(dir, name)
  );
  return {
    dir,
    lock: join(dir, ".lock"),
    layersDir,
    templatesDir,
    checkpointsDir,
    layer: (id) => join(layersDir, `${checkId(id, "a layer's id")}.qcow2`),
    template: (key) => {
      const at = join(templatesDir, checkId(key, "a template's key"));
      return { ...snapshotFilesIn(at), manifest: join(at, "manifest.json") };
    },
    checkpoint: (name) => {
      const at = join(checkpointsDir, checkName(name));
      const member = (one: string) => snapshotFilesIn(join(at, checkName(one)));
      return { lock: join(dir, `.${name}.lock`), dir: at, manifest: join(at, "manifest.json"), member };
    },
  };
}

/** The files of a saved machine in a directory: where they are made. */
export function snapshotFilesIn(dir: string): SavedPaths {
  return {
    dir,
    devices: join(dir, "devices"),
    memory: join(dir, "memory"),
    efiVars: join(dir, "efivars.fd"),
    sharedDirectoryImage: (index) => join(dir, `fixture-${index}.img`),
  };
}

/** A new layer's id: 16 random hexadecimal digits. */
export function newLayerId(): string {
  return hex(crypto.getRandomValues(new Uint8Array(8)));
}

function checkId(id: string, what: string): string {
  if (SNAPSHOT_ID.test(id)) return id;
  throw new FleetboxError("misuse", `Not ${what}: ${JSON.stringify(id)}; expected 16 hexadecimal digits`);
}
