/** An image of the user's own, made of another image and of the disk of a machine that was started from that. */

import { join } from "../core/paths.ts";
import { digestOf } from "../store.ts";
import { storeError } from "../system/files.ts";
import { digestOfFile } from "../system/digest.ts";
import { VERSION } from "../system/program_info.ts";
import { driver } from "../vmm/driver.ts";
import { placeImage, readManifest, writeManifest } from "./cache.ts";

interface OwnImageRequest {
  /** The directory of the image below the disk. */
  base: string;
  /** A qcow2 disk on it, which no machine writes to. */
  disk: string;
  /** What the new image is called. */
  name: string;
  /** Its directory. */
  place: (version: string) => string;
  signal?: AbortSignal;
}

/** Makes the image, which needs neither the base nor the disk any more, and returns its directory. */
export async function makeOwnImage({ base, disk, name, place, signal }: OwnImageRequest): Promise<string> {
  const from = readManifest(base);
  try {
    return await placeImage(place("new"), async (aside) => {
      const file = "root.qcow2";
      await driver.disks.convert({ disk, format: "qcow2" }, join(aside, file), signal);
      for (const part of [from.kernel, from.initrd]) {
        if (part !== undefined) await Deno.copyFile(join(base, part), join(aside, part));
      }
      const sha256 = { ...from.sha256, disk: await digestOfFile(join(aside, file)) };
      const version = digestOf(Object.values(sha256).join(" "));
      const origin = { kind: "built", at: new Date().toISOString(), by: `fleetbox ${VERSION}` } as const;
      await writeManifest(aside, { ...from, name, version, disk: file, sha256, origin });
      for (const part of [from.kernel, from.initrd, file]) {
        if (part !== undefined) Deno.chmodSync(join(aside, part), 0o400);
      }
      signal?.throwIfAborted();
      return place(version);
    });
  } catch (cause) {
    signal?.throwIfAborted();
    throw storeError(`Cannot keep the image ${name}`, cause);
  }
}
