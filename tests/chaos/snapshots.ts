/** What a campaign knows of snapshots: the signs of one that is being made or used, and what must be true of all. */

import { join } from "../../src/core/paths.ts";
import { run } from "../../src/system/process.ts";
import { exists, namesIn } from "../../src/system/files.ts";
import { DISK_FILE, diskOf } from "../../src/store/disk.ts";
import { checkpoints, readCheckpoint, snapshotPaths, withSnapshotLock } from "../../src/store/snapshots.ts";
import { layerIds, layerReaders } from "../../src/store/snapshots/layers.ts";
import type { Sandbox } from "../support/sandbox.ts";

/** Whether something is being saved, restored or removed at this moment. */
export function isAmidSnapshot(box: Sandbox): boolean {
  const { store } = box;
  if (namesIn(store.snapshotsDir).some((name) => name.endsWith(".tmp"))) return true;
  const machines = new Set(box.processes("machine").map(({ name }) => name));
  return store.members().some(({ name }) =>
    // A suspended state beside its machine: that was just saved, or has not gone on yet.
    namesIn(store.member(name).dir).some((one) => /^suspended./.test(one) || one === "suspended" && machines.has(name))
  );
}

/** Every checkpoint that is listed can be read, and every layer that something reads is there. */
export async function snapshotsAreWhole({ store }: Sandbox): Promise<string[]> {
  const { layer } = snapshotPaths(store);
  return await withSnapshotLock(store, () => {
    const { readers, unsure } = layerReaders(store);
    return Promise.resolve([
      ...checkpoints(store).flatMap((one) =>
        "damage" in one ? [`the checkpoint ${one.name} is damaged: ${one.damage}`] : []
      ),
      ...unsure,
      ...readers.filter(({ kind }) => kind !== "making").flatMap(({ kind, name, layers }) =>
        layers.filter((id) => !exists(layer(id))).map((id) =>
          `the layer ${id} is gone, which the ${kind} ${name} reads`
        )
      ),
    ]);
  });
}

/** No half snapshot is left, nor a disk under an earlier name. For when every member has been started and stopped again. */
export function snapshotDebris({ store }: Sandbox, names: readonly string[]): string[] {
  const left = [
    ...namesIn(store.snapshotsDir).filter((name) => name.endsWith(".tmp")).map((name) =>
      join(store.snapshotsDir, name)
    ),
    ...names.flatMap((name) => {
      const { dir } = store.member(name);
      const disk = diskOf(store, store.config(name)!);
      return namesIn(dir).map((file) => join(dir, file)).filter((path) =>
        /\/suspended[^/]*$/.test(path) || DISK_FILE.test(path.split("/").at(-1)!) && path !== disk
      );
    }),
  ];
  return left.map((path) => `left behind: ${path}`);
}

/** Layers that nothing reads. For after a `prune`. */
export function unreadLayers({ store }: Sandbox): string[] {
  const read = new Set(layerReaders(store).readers.flatMap(({ layers }) => layers));
  return layerIds(store).filter((id) => !read.has(id)).map((id) => `the layer ${id} has no reader`);
}

/** Every layer is a whole qcow2. Only while no machine runs. */
export async function layersAreWhole({ store }: Sandbox): Promise<string[]> {
  const problems: string[] = [];
  for (const id of layerIds(store)) {
    await run("qemu-img", ["check", "-q", snapshotPaths(store).layer(id)])
      .catch((thrown) => problems.push(`the layer ${id}: ${thrown}`));
  }
  return problems;
}

/** The members that a restore replaces, as far as that is known; all, when it is not. */
export function restoredBy({ store }: Sandbox, checkpoint: string, all: readonly string[]): readonly string[] {
  try {
    return Object.keys(readCheckpoint(store, checkpoint)?.members ?? {});
  } catch {
    return all;
  }
}

/** Why the same command may be refused when it is given once more: it has been done, or its members are not as it needs them. */
const REFUSALS: Record<string, RegExp> = {
  checkpoint: /There is a checkpoint|expected running|members of \d+ groups|There is no member/,
  fork: /there (is a member|are members) .* already|There is no checkpoint/,
  restore: /There is no checkpoint|has running members that are no part|belongs to/,
  suspend: /expected running|There is no member/,
};

/** Whether a round's last command that saves or restores may be refused now with these words. */
export function mayBeRefused(verb: string, words: string): boolean {
  return REFUSALS[verb].test(words);
}

export function savesOrRestores([verb, next]: readonly string[]): boolean {
  return verb in REFUSALS && next !== "rm";
}
