/**
 * A fault as a layer of QEMU's block nodes above a disk, made by one command, so that there is never half of one. Its lowest node is a
 * link, which leads to nothing until it is put into its place.
 *
 * No node of QEMU's delays requests. `null-co` answers late and does nothing, so it is given a copy of each request that is to be late, by
 * a node that waits for both: `quorum`, or `blklogwrites`, whose log nobody reads. Each of them must still fail when the disk does, and
 * must never answer a read with what `null-co` has.
 */

import { operationsOf } from "../../../core/faults/disk.ts";
import type { MachineDiskFault } from "../../disk_faults.ts";

type Node = Record<string, unknown>;

/** Above the layers that are slow. */
export const FAULTS_NODE = "disk-faults";
/** Where the links lead that are in no place. */
export const NOTHING_NODE = "disk-nothing";

const LAYER = /^disk-fault-([a-z0-9]+)$/;

export const layerNode = (id: string) => `disk-fault-${id}`;
export const linkNode = (id: string) => `disk-under-${id}`;

/** The fault whose layer a node is the top of. Pure. */
export function faultOfNode(node: string): string | undefined {
  return LAYER.exec(node)?.[1];
}

/** Whether a node that a device has is one of its disk's faults. Pure. */
export function isFaultNode(node: string): boolean {
  return node === FAULTS_NODE || LAYER.test(node);
}

/** Whether a node is one of {@link link}. Pure. */
export function isLink(node: string): boolean {
  return node === FAULTS_NODE || /^disk-under-[a-z0-9]+$/.test(node);
}

/** A node that passes everything on to another one, which can be exchanged (`blockdev-reopen`). */
export function link(name: string, file: string | Node): Node {
  return { driver: "raw", "node-name": name, file, discard: "unmap" };
}

/** Longer than any log of requests becomes. */
const ENDLESS = 2 ** 50;

/** What takes requests of a disk of this size, after a time. */
export function nothing(size: number, latencyMs = 0, options: Node = {}): Node {
  return { driver: "null-co", size, "latency-ns": Math.round(latencyMs * 1e6), ...options };
}

/** Limits of a throttle group that a layer needs, which is called as the layer is. */
export function throttleOf(fault: MachineDiskFault): Record<string, number> | undefined {
  if (fault.iops === undefined) return undefined;
  const operations = operationsOf(fault);
  return { [operations.length === 2 ? "iops-total" : `iops-${operations[0]}`]: fault.iops };
}

/** @param rules the file with its rules, for one with errors */
export function layer(fault: MachineDiskFault, size: number, rules?: string): Node {
  const under = link(linkNode(fault.id), nothing(size));
  const name = { "node-name": layerNode(fault.id) };
  if (rules !== undefined) {
    const image = { driver: "blkdebug", config: rules, image: under, discard: "unmap" };
    return { ...link("", image), ...name };
  }
  const late = fault.latencyMs === undefined ? under : lateOf(fault, fault.latencyMs, size, under);
  if (fault.iops === undefined) return { ...late, ...name };
  return { driver: "throttle", "throttle-group": layerNode(fault.id), file: late, discard: "unmap", ...name };
}

function lateOf(fault: MachineDiskFault, latencyMs: number, size: number, under: Node): Node {
  const operations = operationsOf(fault);
  const [reads, writes, flushes] = (["read", "write", "flush"] as const).map((one) => operations.includes(one));
  const below = writes ? lateWrites(under, size, latencyMs, flushes) : flushes ? lateFlushes(under, latencyMs) : under;
  return reads ? lateReads(below, size, latencyMs) : below;
}

/** Both get each write and flush, and both must succeed. Reads are the disk's: the other's fail, so that none is taken for the disk's. */
function lateWrites(under: Node, size: number, latencyMs: number, flushesToo: boolean): Node {
  const late = nothing(size, latencyMs, flushesToo ? {} : { cache: { "no-flush": true } });
  return fifo([under, failing(late, "read")], 2);
}

/**
 * A read goes to the first child, which fails after the time, and then to the disk. In the first child one of three has late reads; the
 * other two fail them, so all of them fail together once the last has answered. Its writes are the other way round: two succeed at once.
 */
function lateReads(under: Node, size: number, latencyMs: number): Node {
  const [one, other] = [failing(nothing(size), "read"), failing(nothing(size), "read")];
  const late = failing(nothing(size, latencyMs), "write", "write-zeroes");
  return fifo([{ driver: "quorum", children: [late, one, other], "vote-threshold": 2 }, under], 2);
}

/**
 * A log gets an entry for each write, at once, and for each flush one at its beginning, in sector 0, and then a flush. Only these are
 * late, one after the other: half of the time each.
 */
function lateFlushes(under: Node, latencyMs: number): Node {
  const late = failing(nothing(ENDLESS, latencyMs / 2), "write", "write-zeroes");
  (late["inject-error"] as Node[]).unshift({ event: "none", iotype: "write", errno: 0, sector: 0, immediately: true });
  return {
    driver: "blklogwrites",
    file: under,
    log: fifo([nothing(ENDLESS), late], 1),
    "log-sector-size": 512,
    "log-super-update-interval": 2 ** 31,
    discard: "unmap",
  };
}

function fifo(children: Node[], threshold: number): Node {
  return { driver: "quorum", children, "vote-threshold": threshold, "read-pattern": "fifo" };
}

/** All of these requests fail. */
function failing(image: Node, ...types: string[]): Node {
  const rules = types.map((iotype) => ({ event: "none", iotype, errno: 5, immediately: true }));
  return { driver: "blkdebug", image, "inject-error": rules };
}
