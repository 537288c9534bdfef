/**
 * Cuts the power at a moment when no request of the guest is half done, so that the log of writes has each of them whole.
 *
 * The disk is exchanged for one that never answers. QEMU completes what is under way before that, which puts it into the log, and
 * asks for no flush, as a pause or a snapshot would: the last flush in the log is the guest's own. What the guest asks for from then on
 * waits for an answer that does not come, so nothing is acknowledged that the log does not have. Then QEMU is killed.
 */

import { FleetboxError, messageOf } from "../../../core/errors.ts";
import { sizeOf } from "../../../system/files.ts";
import type { QemuProcess } from "../process.ts";
import { DEAD_DISK, isLogNode, lookAtDisk, setDisk } from "../snapshots/disk_switch.ts";

/** How long the disk that never answers takes: longer than anything. */
const NEVER_NS = 24 * 3600 * 1e9;

/** @throws {FleetboxError} `conflict`: its writes are not logged there; `failed`. It runs on then. */
export async function stopWrites(qemu: QemuProcess, label: string, path: string): Promise<void> {
  const { top, bytes, log } = await lookAtDisk(qemu);
  const refuse = (why: string) => new FleetboxError("conflict", `Cannot cut the power of ${label}: ${why}`);
  if (top === undefined || (top !== DEAD_DISK && !isLogNode(top))) throw refuse("its writes are not logged");
  // The file that QEMU writes may have been removed, and another one may be in its place.
  if (log?.file !== path || sizeOf(path) < log.bytes) throw refuse(`its writes are not logged in ${path}`);
  if (top === DEAD_DISK) return; // a holder that was killed has begun this cut
  try {
    await qemu.qmp.execute("blockdev-add", {
      driver: "null-co",
      "node-name": DEAD_DISK,
      size: bytes,
      "latency-ns": NEVER_NS,
    });
    await setDisk(qemu, DEAD_DISK);
  } catch (cause) {
    await qemu.qmp.execute("blockdev-del", { "node-name": DEAD_DISK }).catch(() => {});
    throw new FleetboxError("failed", `Cannot cut the power of ${label}: ${messageOf(cause)}`, { cause });
  }
}
