/** What the rows of snapshots do with our own command line: warm and cold starts, forks, and what must be true of them. */

import { chooseAccelerator } from "../../../src/vmm/qemu/accelerator.ts";
import { findQemu } from "../../../src/vmm/qemu/program.ts";
import type { Store } from "../../../src/store.ts";
import { type Bench, sleep, timeFleetbox } from "../bench.ts";
import type { Stages } from "../bare_qemu.ts";
import { timeStart, type Up, up } from "../up.ts";

/** A template is published in the background, after `up` has returned. */
const TEMPLATE_LIMIT_MS = 60_000;

/** The moments of a warm start, ours and the counterpart's. */
export const OF_A_RESTORE = [
  ...["image", "disk", "boot", "qemu", "memory", "devices", "resumed", "kernel", "network", "ssh", "ready"],
  ...["cloud-init", "running", "returned", "executed"],
];

/** The moments of a save by hand. */
export const OF_A_SAVE = ["stopped", "disk", "devices", "memory", "resumed"];

/** What a guest does after its first command is over by then. */
export const SETTLE_MS = 3_000;

/** A store in which the accelerator is known, as it is from the second `up` on. */
export async function usedStore(bench: Bench): Promise<Store> {
  const store = await bench.store();
  await chooseAccelerator({ binary: findQemu(), cacheFile: store.acceleratorCache });
  return store;
}

/** Boots members and removes them, so that the next `up` of these names is warm. */
export async function makeTemplates(store: Store, names: string, options: readonly string[] = []): Promise<void> {
  const { members } = await up(store, names, options);
  await untilTemplates(store, members.length);
  await removeAll(store);
}

/** @throws {Error} there are fewer templates after a minute, or more */
export async function untilTemplates(store: Store, count: number): Promise<void> {
  const began = performance.now();
  while (templatesIn(store) < count && performance.now() - began < TEMPLATE_LIMIT_MS) await sleep(10);
  const found = templatesIn(store);
  if (found !== count) throw new Error(`up has left ${found} templates, expected ${count}`);
}

function templatesIn(store: Store): number {
  const directory = `${store.root}/snapshots/templates`;
  try {
    return [...Deno.readDirSync(directory)].filter(({ name }) => isThere(`${directory}/${name}/manifest.json`)).length;
  } catch {
    return 0;
  }
}

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

export async function removeAll(store: Store): Promise<void> {
  await timeFleetbox(store, ["rm", "--all", "--force"]);
}

/** `up` that must be warm. @throws {Error} a member has booted */
export async function warmUp(store: Store, names: string, options: readonly string[] = []): Promise<Up> {
  const result = await up(store, names, options);
  for (const { name, warm } of result.members) {
    if (!warm) throw new Error(`${name} has booted, expected a warm start`);
  }
  if (result.members.length === 0) throw new Error("up has told of no members");
  return result;
}

/** A start, and then `exec true` in each of its members at once, by one command. */
export async function untilExecuted(store: Store, start: () => Promise<Up>): Promise<{ ms: number; stages: Stages }> {
  const began = performance.now();
  const { stages, members } = await start();
  if (members.length === 0) throw new Error("the command has told of no members");
  await timeFleetbox(store, ["exec", members.map(({ name }) => name).join(","), "--", "true"]);
  const ms = performance.now() - began;
  return { ms, stages: { ...stages, executed: ms } };
}

/** `fork`, which gives `--json` events as `up` does. */
export async function fork(store: Store, checkpoint: string, as: string): Promise<Up> {
  return await timeStart(store, ["fork", checkpoint, "--as", as, "--json"]);
}

/** The memory of a process; what it shares counts for each of those that share it by its part. */
export function pssMiB(pid: number): number {
  return Number(/^Pss:\s+(\d+) kB$/m.exec(Deno.readTextFileSync(`/proc/${pid}/smaps_rollup`))![1]) / 1024;
}

/** Writes back what earlier runs have written, so that no figure pays for another one's disk. */
export async function quietDisk(): Promise<void> {
  await new Deno.Command("sync").output();
}
