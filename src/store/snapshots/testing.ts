/** For tests: a store with members, layers, templates and checkpoints, without a machine. */

import { join } from "../../system/path.ts";
import { exists } from "../../system/files.ts";
import { identify, type ProcessIdentity } from "../../system/process.ts";
import { type MemberConfig, Store } from "../../store.ts";
import { diskOf } from "../disk.ts";
import { newMaking, publishCheckpoint, publishTemplate, snapshotFilesIn, snapshotPaths } from "../snapshots.ts";

export const IMAGE = "micro-0";

/** Ids, keys: 16 hexadecimal digits. */
export const id = (number: number) => number.toString(16).padStart(16, "0");

export function configOf(name: string, more: Partial<MemberConfig> = {}): MemberConfig {
  return {
    name,
    mac: "52:54:00:58:00:0b",
    cpus: 1,
    memory_mb: 256,
    disk_mb: 1024,
    image: "micro",
    image_id: IMAGE,
    created_at: "2026-01-01T00:00:00.000Z",
    instance_id: "i",
    fixtures: [],
    ip: "10.88.0.11",
    user: "fleetbox",
    ...more,
  };
}

/** A store in a directory of its own, which is gone afterwards. */
export async function withStore(work: (store: Store) => Promise<void> | void): Promise<void> {
  const root = Deno.makeTempDirSync({ prefix: "sn" });
  try {
    const store = Store.at(join(root, "s"));
    store.ensure();
    await work(store);
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
}

/** A member with a disk that says its name. */
export async function addMember(store: Store, name: string, more: Partial<MemberConfig> = {}): Promise<MemberConfig> {
  const config = configOf(name, more);
  await store.withMemberLock(name, async () => {
    await store.writeConfig(config);
    Deno.writeTextFileSync(diskOf(store, config), name);
  });
  return config;
}

/** A layer, of at least so many bytes. */
export function addLayer(store: Store, layer: string, bytes = 1): void {
  const { layersDir, layer: pathOf } = snapshotPaths(store);
  Deno.mkdirSync(layersDir, { recursive: true, mode: 0o700 });
  Deno.writeFileSync(pathOf(layer), new Uint8Array(bytes).fill(1));
}

export function hasLayer(store: Store, layer: string): boolean {
  return exists(snapshotPaths(store).layer(layer));
}

/** A saved machine in a directory. */
export function addSaved(dir: string, bytes = 1): void {
  Deno.mkdirSync(dir, { recursive: true, mode: 0o700 });
  const { devices, memory } = snapshotFilesIn(dir);
  Deno.writeTextFileSync(devices, "devices");
  Deno.writeFileSync(memory, new Uint8Array(bytes).fill(1));
}

/** A template on these layers. */
export async function addTemplate(
  store: Store,
  key: string,
  layers: string[],
  { bytes = 1, budget = Infinity, image_id = IMAGE } = {},
): Promise<string> {
  const making = newMaking(store);
  addSaved(making, bytes);
  const config = configOf("a", { layers, image_id });
  return await publishTemplate(store, making, { key, parts: { image: image_id }, config }, budget);
}

/** A checkpoint of these members, each with its layers. */
export async function addCheckpoint(
  store: Store,
  name: string,
  members: Record<string, string[]>,
  { image_id = IMAGE, owner }: { image_id?: string; owner?: ProcessIdentity } = {},
) {
  const making = newMaking(store);
  for (const member of Object.keys(members)) addSaved(join(making, member));
  const configs = Object.entries(members).map(([member, layers]) => configOf(member, { layers, image_id }));
  return await publishCheckpoint(store, making, { name, group: "a", host: "h", members: configs, owner });
}

/** What is in a directory, sorted. */
export function names(dir: string): string[] {
  return [...Deno.readDirSync(dir)].map(({ name }) => name).sort();
}

/** The same directory, as a process has it that is gone: more than any process id of Linux. */
export function ofDead(path: string): string {
  return path.replace(`.${Deno.pid}-`, `.${2 ** 22 + 1}-`);
}

/** A process that is gone: ours, had it begun at another time. */
export function deadProcess(): ProcessIdentity {
  const { pid, startTime } = identify(Deno.pid)!;
  return { pid, startTime: `${startTime}0` };
}
