/** Tells when a log of writes has become long. */

import { FleetboxError, messageOf } from "../../../core/errors.ts";
import type { QemuProcess } from "../process.ts";
import { isLogNode, lookAtDisk } from "../snapshots/disk_switch.ts";

/** @see Machine.limitWriteLog */
export async function limitLog(qemu: QemuProcess, label: string, bytes: number): Promise<void> {
  const { top } = await lookAtDisk(qemu);
  if (top === undefined || !isLogNode(top)) {
    throw new FleetboxError("conflict", `The writes of ${label} are not logged`);
  }
  try {
    await qemu.qmp.execute("block-set-write-threshold", { "node-name": `${top}-file`, "write-threshold": bytes });
  } catch (cause) {
    throw new FleetboxError("failed", `Cannot limit the log of writes of ${label}: ${messageOf(cause)}`, { cause });
  }
}
