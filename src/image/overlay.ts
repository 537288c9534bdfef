/**
 * A member's own disk: a qcow2 overlay on an image, made by the driver's tools; instant, sparse, and the image stays as it is.
 */

import { FleetboxError, isNoSpace, messageOf } from "../core/errors.ts";
import { exists, replaceFile, storeError } from "../system/files.ts";
import { driver } from "../vmm/driver.ts";
import type { DiskFormat } from "./image.ts";

/**
 * Makes an overlay at `path`, which must not exist; it appears complete or not at all.
 * @param sizeMiB virtual size; at least that of the image.
 * @throws {FleetboxError} `unavailable`: a program is missing; `no-space`; `misuse`: smaller than the image; `failed`.
 */
export async function createOverlay(
  path: string,
  base: { disk: string; format: DiskFormat; virtualBytes: number },
  sizeMiB: number,
): Promise<void> {
  if (sizeMiB * 1024 * 1024 < base.virtualBytes) {
    const least = Math.ceil(base.virtualBytes / 1024 / 1024);
    throw new FleetboxError("misuse", `A disk of ${sizeMiB} MiB is too small for its image, which has ${least} MiB`, {
      hint: `Use at least --disk ${least}M.`,
    });
  }
  try {
    await replaceFile(path, (aside) => driver.disks.overlay(aside, base, sizeMiB));
  } catch (cause) {
    if (isNoSpace(cause)) throw storeError(`Cannot make the disk ${path}`, cause);
    if (cause instanceof FleetboxError && cause.code === "unavailable") throw cause;
    throw new FleetboxError("failed", `Cannot make the disk ${path}: ${messageOf(cause)}`, { cause });
  }
}

/**
 * Gives an overlay that no machine has open a larger virtual size; one that is not there yet is made with it later.
 * @throws {FleetboxError} `unavailable`: a program is missing; `no-space`; `failed`.
 */
export async function growOverlay(path: string, sizeMiB: number): Promise<void> {
  if (!exists(path)) return;
  try {
    await driver.disks.grow(path, sizeMiB);
  } catch (cause) {
    if (isNoSpace(cause)) throw storeError(`Cannot let the disk ${path} grow`, cause);
    if (cause instanceof FleetboxError && cause.code === "unavailable") throw cause;
    throw new FleetboxError("failed", `Cannot let the disk ${path} grow to ${sizeMiB} MiB: ${messageOf(cause)}`, {
      cause,
    });
  }
}
