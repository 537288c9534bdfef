/**
 * Moves a machine's disk onto a fresh overlay while it runs: what it writes from then on goes there, and the file before
 * stays as it is, as the overlay's backing file.
 *
 * QEMU's node of the disk is called `disk` at its start, and `disk-1`, `disk-2`, … after each move: a node keeps its name.
 * Which one is on top is asked, never remembered, so that an adopted machine can be moved again.
 */

import { FleetboxError, messageOf } from "../../../core/errors.ts";
import { DISK, DISK_DEVICE } from "../arguments.ts";
import type { QemuProcess } from "../process.ts";
import { asText } from "../qmp.ts";

type Entry = Record<string, unknown>;

/** @see Machine.moveToOverlay */
export async function moveDisk(qemu: QemuProcess, label: string, path: string): Promise<void> {
  const { top, names, file } = await look(qemu);
  if (top === undefined) throw new FleetboxError("failed", `Cannot move the disk of ${label}: QEMU does not list it`);
  if (file === path) return;
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
  } catch (cause) {
    throw new FleetboxError("failed", `Cannot move the disk of ${label} to ${path}: ${messageOf(cause)}`, { cause });
  }
}

/** The volume that a node is part of: `disk` for `disk-2`. Pure. */
export function volumeOfNode(node: string): string {
  return /^disk(-\d+)?(-file)?$/.test(node) ? DISK : node;
}

const fileNode = (node: string) => `${node}-file`;

async function look(qemu: QemuProcess): Promise<{ top?: string; names: Set<string>; file?: string }> {
  const [devices, nodes] = await Promise.all([
    qemu.qmp.execute<unknown>("query-block"),
    qemu.qmp.execute<unknown>("query-named-block-nodes", { flat: true }),
  ]);
  const disk = entries(devices).find(({ qdev }) => asText(qdev, "").split("/").includes(DISK_DEVICE));
  const top = (disk?.inserted as Entry | undefined)?.["node-name"];
  const byName = new Map(entries(nodes).map((node) => [asText(node["node-name"], ""), asText(node.file, "")]));
  if (typeof top !== "string") return { names: new Set(byName.keys()) };
  return { top, names: new Set(byName.keys()), file: byName.get(fileNode(top)) };
}

function entries(answer: unknown): Entry[] {
  return Array.isArray(answer) ? answer.filter((entry) => typeof entry === "object" && entry !== null) : [];
}

function freeName(taken: ReadonlySet<string>): string {
  for (let number = 1;; number++) {
    const name = `${DISK}-${number}`;
    if (!taken.has(name) && !taken.has(fileNode(name))) return name;
  }
}
