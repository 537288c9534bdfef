/**
 * Moves a machine's disk onto a fresh overlay while it runs: what it writes from then on goes there, and the file before
 * stays as it is, as the overlay's backing file.
 *
 * QEMU's node of the disk is called `disk` at its start, and `disk-1`, `disk-2`, … after each move: a node keeps its name.
 * Which one is on top is asked, never remembered, so that an adopted machine can be moved again.
 *
 * Where the disk's writes are logged, a node that does so is above it, by its name: `disk-2-log` above `disk-2`. The move begins a new
 * log, which begins with what the overlay reads then: the old one ends with the disk to which it belongs.
 *
 * Above both are the layers of the disk's faults, while there are any (`disk_faults/`): they stay.
 */

import { FleetboxError, messageOf } from "../../../core/errors.ts";
import { DISK, DISK_DEVICE, logNodeOptions } from "../arguments.ts";
import { isFaultNode, isLink, link } from "../disk_faults/layers.ts";
import type { QemuProcess } from "../process.ts";
import { asText } from "../qmp.ts";

type Entry = Record<string, unknown>;

/** What a guest has in place of its disk once its power is being cut. */
export const DEAD_DISK = `${DISK}-dead`;

/** @see Machine.moveToOverlay */
export async function moveDisk(qemu: QemuProcess, label: string, path: string, writeLog?: string): Promise<void> {
  const { top: device, names, file, above } = await lookAtDisk(qemu);
  if (device === undefined) {
    throw new FleetboxError("failed", `Cannot move the disk of ${label}: QEMU does not list it`);
  }
  if (file === path || device === DEAD_DISK) return;
  // What it wrote between the two steps would be in the old log alone.
  using _ = isLogNode(device) ? await pausedMeanwhile(qemu) : undefined;
  const top = diskNodeOf(device);
  const next = freeName(names);
  const discard = "unmap";
  try {
    await qemu.qmp.execute("blockdev-add", {
      driver: "qcow2",
      "node-name": next,
      file: { driver: "file", "node-name": fileNode(next), filename: path, discard },
      discard,
      backing: null, // the next command's business
    });
    try {
      await qemu.qmp.execute("blockdev-snapshot", { node: top, overlay: next });
    } catch (thrown) {
      await qemu.qmp.execute("blockdev-del", { "node-name": next }).catch(() => {});
      throw thrown;
    }
    if (isLogNode(device)) await exchangeLog(qemu, { before: device, above }, next, writeLog);
  } catch (cause) {
    throw new FleetboxError("failed", `Cannot move the disk of ${label} to ${path}: ${messageOf(cause)}`, { cause });
  }
}

/** Pauses a machine that runs, until that is disposed of. */
async function pausedMeanwhile(qemu: QemuProcess): Promise<Disposable | undefined> {
  const answer = await qemu.qmp.execute<{ status?: unknown } | undefined>("query-status");
  if (answer?.status !== "running") return undefined;
  await qemu.qmp.execute("stop");
  return { [Symbol.dispose]: () => void qemu.qmp.execute("cont").catch(() => {}) };
}

/** Ends a log of writes, which is of the disk below, and begins the next one, if there is one. */
async function exchangeLog(
  qemu: QemuProcess,
  { before, above }: { before: string; above: readonly string[] },
  disk: string,
  writeLog?: string,
): Promise<void> {
  let next = disk;
  if (writeLog !== undefined) {
    next = logNodeOf(disk);
    const log = { driver: "file", "node-name": fileNode(next), filename: writeLog };
    await qemu.qmp.execute("blockdev-add", { ...logNodeOptions(next, disk), log });
  }
  if (above.length === 0) await setDisk(qemu, next);
  else await qemu.qmp.execute("blockdev-reopen", { options: above.map((one) => link(one, next)) });
  await qemu.qmp.execute("blockdev-del", { "node-name": before });
  await qemu.qmp.execute("blockdev-del", { "node-name": fileNode(before) }).catch(() => {}); // it goes with the other, mostly
}

/** Gives the guest's disk another node. */
export async function setDisk(qemu: QemuProcess, node: string): Promise<void> {
  await qemu.qmp.execute("qom-set", {
    path: `/machine/peripheral/${DISK_DEVICE}`,
    property: "drive",
    value: node,
  });
}

/** The node that logs the writes of a disk's. Pure. */
export function logNodeOf(disk: string): string {
  return `${disk}-log`;
}

export function isLogNode(node: string): boolean {
  return /^disk(-\d+)?-log$/.test(node);
}

function isDiskNode(node: string): boolean {
  return /^disk(-\d+)?$/.test(node);
}

function diskNodeOf(node: string): string {
  return isLogNode(node) ? node.slice(0, -"-log".length) : node;
}

/** The volume that a node is part of: `disk` for `disk-2`. Pure. */
export function volumeOfNode(node: string): string {
  return isFaultNode(node) || /^disk(-\d+)?(-log)?(-file)?$/.test(node) ? DISK : node;
}

const fileNode = (node: string) => `${node}-file`;

/** What QEMU says of the guest's disk. */
export interface DiskFacts {
  /** The node that the guest's requests reach first. */
  device?: string;
  /** The same, below the disk's faults. */
  top?: string;
  /** The links that lead to it, where it has faults. */
  above: string[];
  /** All nodes' names. */
  names: Set<string>;
  /** The disk's file. */
  file?: string;
  /** The log of what the guest writes to it, or has written before its power was cut, as long as it is so far. */
  log?: { file: string; bytes: number };
  /** The disk's size. */
  bytes: number;
}

export async function lookAtDisk(qemu: QemuProcess): Promise<DiskFacts> {
  const [devices, nodes] = await Promise.all([
    qemu.qmp.execute<unknown>("query-block"),
    qemu.qmp.execute<unknown>("query-named-block-nodes", { flat: true }),
  ]);
  const disk = entries(devices).find(({ qdev }) => asText(qdev, "").split("/").includes(DISK_DEVICE));
  const inserted = disk?.inserted as Entry | undefined;
  const device = inserted?.["node-name"];
  const bytes = virtualSize(inserted ?? {});
  const byName = new Map(entries(nodes).map((node) => [asText(node["node-name"], ""), node]));
  const fileOf = (node: string) => {
    const found = byName.get(fileNode(node));
    return found && { file: asText(found.file, ""), bytes: virtualSize(found) };
  };
  const names = new Set(byName.keys());
  if (typeof device !== "string") return { names, bytes, above: [] };
  const { top = device, above = [] } = isFaultNode(device) ? await lookBelowFaults(qemu) : {};
  const logNode = isLogNode(top) ? top : top === DEAD_DISK ? names.values().find(isLogNode) : undefined;
  return {
    device,
    top,
    above,
    names,
    file: fileOf(diskNodeOf(top))?.file,
    log: logNode === undefined ? undefined : fileOf(logNode),
    bytes,
  };
}

/** Which links lead to the disk, or to its log. */
async function lookBelowFaults(qemu: QemuProcess): Promise<{ top: string; above: string[] }> {
  const graph = await qemu.qmp.execute<{ nodes?: unknown; edges?: unknown } | undefined>("x-debug-query-block-graph");
  const names = new Map(entries(graph?.nodes).map(({ id, name }) => [id, asText(name, "")]));
  const above: string[] = [];
  let found: string | undefined;
  for (const { parent, child } of entries(graph?.edges)) {
    const [from = "", to = ""] = [names.get(parent), names.get(child)];
    if (!isLink(from) || !(isLogNode(to) || isDiskNode(to))) continue;
    found = to;
    above.push(from);
  }
  if (found !== undefined) return { top: found, above };
  throw new FleetboxError("failed", "QEMU does not tell what is below the faults of a disk");
}

function virtualSize({ image }: Entry): number {
  return Number((image as Entry | undefined)?.["virtual-size"] ?? 0);
}

function entries(answer: unknown): Entry[] {
  return Array.isArray(answer) ? answer.filter((entry) => typeof entry === "object" && entry !== null) : [];
}

function freeName(taken: ReadonlySet<string>): string {
  for (let number = 1;; number++) {
    const name = `${DISK}-${number}`;
    if ([name, fileNode(name), logNodeOf(name)].every((one) => !taken.has(one))) return name;
  }
}
