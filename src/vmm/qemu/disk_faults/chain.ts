/**
 * Puts the layers of faults between a guest's disk and its device, and takes them out again, while the machine runs.
 *
 * From the device down: the layers with errors, then, where something is slow, a node that passes everything on and the layers that are
 * slow, then the disk, or what logs its writes. So a failed write is not in that log. No layer is made anew because another one goes:
 * what has failed once does not fail once more. What there is is asked, never remembered: QEMU's nodes outlive the holder.
 *
 * QEMU flushes a node before it leads it to another one. Errors must not meet that flush, nor be used up by it, so they are taken from the device for that
 * instant: a node that nobody writes to passes no flush on. What is slow must not be taken from it, because `quorum` admits no other
 * writer to the disk: its links are led to where they belong by one command, at once.
 */

import { FleetboxError, messageOf } from "../../../core/errors.ts";
import { withDirectoryBeside } from "../../../system/files.ts";
import type { DiskCounts, MachineDiskFault } from "../../disk_faults.ts";
import { DISK_DEVICE } from "../arguments.ts";
import type { QemuProcess } from "../process.ts";
import { asText } from "../qmp.ts";
import { DEAD_DISK, lookAtDisk, setDisk } from "../snapshots/disk_switch.ts";
import {
  faultOfNode,
  FAULTS_NODE,
  layer,
  layerNode,
  link,
  linkNode,
  nothing,
  NOTHING_NODE,
  throttleOf,
} from "./layers.ts";
import { errorRules } from "./rules.ts";

/** Changes wait for requests that are under way, and these may be late. */
const CHANGE = { timeoutMs: 60_000 };

/**
 * @see MachineDisk.setDiskFaults
 * @param beside a path in a directory where rules can be written for a moment
 */
export async function setDiskFaults(
  qemu: QemuProcess,
  label: string,
  faults: readonly MachineDiskFault[],
  beside: string,
): Promise<void> {
  const { top: disk, device, names, bytes } = await lookAtDisk(qemu);
  if (disk === undefined || device === undefined || device === DEAD_DISK) {
    throw new FleetboxError("failed", `Cannot change the disk of ${label}: QEMU does not list it`);
  }
  const present = [...names].map(faultOfNode).filter((id) => id !== undefined);
  const missing = faults.filter(({ id }) => !present.includes(id));
  const gone = present.filter((id) => !faults.some((fault) => fault.id === id));
  const wanted: Chain = {
    errors: faults.filter((fault) => isError(fault)).map(({ id }) => id),
    slow: faults.filter((fault) => !isError(fault)).map(({ id }) => id),
  };
  if (missing.length === 0 && gone.length === 0 && device === topOf(wanted, disk)) return;
  const change = { qemu, disk, has: { device, slow: names.has(FAULTS_NODE) } };
  const made: string[] = [];
  try {
    if (!names.has(NOTHING_NODE)) {
      await qemu.qmp.execute("blockdev-add", { ...nothing(bytes), "node-name": NOTHING_NODE });
    }
    for (const fault of missing) {
      await addLayer(qemu, fault, bytes, beside);
      made.push(fault.id);
    }
    await arrange(change, wanted, gone);
  } catch (cause) {
    const before: Chain = {
      errors: wanted.errors.filter((id) => present.includes(id)),
      slow: wanted.slow.filter((id) => present.includes(id)),
    };
    await arrange(change, before, made).catch(() => {});
    await remove(qemu, [...made.map(layerNode), NOTHING_NODE], missing.map(({ id }) => id));
    throw new FleetboxError("failed", `Cannot change the disk of ${label}: ${messageOf(cause)}`, { cause });
  }
  await remove(qemu, [...gone.map(layerNode), NOTHING_NODE], gone);
}

/** Faults by what they are, from the disk up. */
interface Chain {
  errors: readonly string[];
  slow: readonly string[];
}

function isError({ error }: MachineDiskFault): boolean {
  return error !== undefined;
}

/** What the device has. Pure. */
function topOf({ errors, slow }: Chain, disk: string): string {
  const top = errors.at(-1);
  return top !== undefined ? layerNode(top) : slow.length > 0 ? FAULTS_NODE : disk;
}

interface Change {
  qemu: QemuProcess;
  disk: string;
  /** The present state: what the device has, and whether {@link FAULTS_NODE} is there. */
  has: { device: string; slow: boolean };
}

/** Leads the layers to where they belong; those that are gone lead to nothing. */
async function arrange(
  { qemu, disk, has }: Change,
  { errors, slow }: Chain,
  gone: readonly string[],
): Promise<void> {
  if (!has.slow && slow.length > 0) {
    await qemu.qmp.execute("blockdev-add", link(FAULTS_NODE, disk));
    has.slow = true;
  }
  const give = async (node: string) => {
    if (node === has.device) return; // QEMU fails at that
    await setDisk(qemu, node);
    has.device = node;
  };
  await give(has.slow ? FAULTS_NODE : disk);
  const unused = gone.map((id) => link(linkNode(id), NOTHING_NODE));
  if (has.slow) {
    await lead(qemu, [...chained([FAULTS_NODE, ...slow.toReversed().map(linkNode)], slow, disk), ...unused]);
  }
  const lower = slow.length > 0 ? FAULTS_NODE : disk;
  await lead(qemu, [...chained(errors.toReversed().map(linkNode), errors.slice(0, -1), lower), ...unused]);
  await give(topOf({ errors, slow }, disk));
  if (slow.length > 0) return;
  await remove(qemu, [FAULTS_NODE]);
  has.slow = false;
}

/** Links, from above, lead each to the layer below: those of faults, from the disk up, and then to `last`. Pure. */
function chained(links: readonly string[], layers: readonly string[], last: string): Record<string, unknown>[] {
  const below = [...layers.toReversed().map(layerNode), last];
  return links.map((name, index) => link(name, below[index]));
}

/** @see MachineDisk.diskCounts */
export async function countRequests(qemu: QemuProcess): Promise<DiskCounts> {
  const answer = await qemu.qmp.execute<unknown>("query-blockstats");
  const entries = Array.isArray(answer) ? answer as { qdev?: unknown; stats?: Record<string, unknown> }[] : [];
  const stats = entries.find(({ qdev }) => asText(qdev, "").split("/").includes(DISK_DEVICE))?.stats ?? {};
  const of = (word: string) => {
    const failed = Number(stats[`failed_${word}_operations`] ?? 0);
    return { requests: Number(stats[`${word}_operations`] ?? 0) + failed, failed };
  };
  return { read: of("rd"), write: of("wr"), flush: of("flush") };
}

async function addLayer(qemu: QemuProcess, fault: MachineDiskFault, bytes: number, beside: string): Promise<void> {
  const limits = throttleOf(fault);
  if (limits) {
    const group = { "qom-type": "throttle-group", id: layerNode(fault.id), limits };
    await qemu.qmp.execute("object-del", { id: group.id }).catch(() => {}); // a killed holder's
    await qemu.qmp.execute("object-add", group);
  }
  if (fault.error === undefined) return void await qemu.qmp.execute("blockdev-add", layer(fault, bytes));
  await withDirectoryBeside(beside, async (directory) => {
    const rules = `${directory}/rules`;
    await Deno.writeTextFile(rules, errorRules(fault));
    await qemu.qmp.execute("blockdev-add", layer(fault, bytes, rules));
  });
}

/** Leads links to other nodes, all at once. */
async function lead(qemu: QemuProcess, options: Record<string, unknown>[]): Promise<void> {
  if (options.length > 0) await qemu.qmp.execute("blockdev-reopen", { options }, CHANGE);
}

/** Removes what nothing uses: a node that is in use, or not there, stays as it is. */
async function remove(qemu: QemuProcess, nodes: readonly string[], ids: readonly string[] = []): Promise<void> {
  for (const node of nodes) await qemu.qmp.execute("blockdev-del", { "node-name": node }).catch(() => {});
  for (const id of ids) await qemu.qmp.execute("object-del", { id: layerNode(id) }).catch(() => {});
}
