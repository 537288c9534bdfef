/**
 * The image that comes with fleetbox: `build/micro`, or inside the compiled executable (`embedded.ts`); unpacked once
 * into the store, under a name with its digest, so that overlays keep their base. `FLEETBOX_MICRO` names another
 * directory like it.
 *
 * Unpacked files are checked against the digests, made in a temporary directory and renamed, so that two processes that
 * unpack at once, or one that is killed, leave a whole image or none.
 */

import { writeAll } from "../core/bytes.ts";
import { variable } from "../core/environment.ts";
import { join } from "../core/paths.ts";
import { FleetboxError } from "../core/errors.ts";
import { companion } from "../system/program_info.ts";
import { storeError } from "../system/files.ts";
import type { Store } from "../store.ts";
import { hasImage, imageDirectory, type Manifest, placeImage, readManifest, writeManifest } from "./cache.ts";
import { bytesOf } from "./embedded.ts";

export const MICRO = "micro";

/** The store's name of the micro image that comes with this fleetbox; undefined when none does. */
export function currentMicro(): string | undefined {
  try {
    return `micro-${readManifest(source()).version}`;
  } catch {
    return undefined;
  }
}

function source(): string {
  return variable("FLEETBOX_MICRO") ?? companion("build/micro");
}

/**
 * The directory of micro in the store; unpacked first when it is missing.
 * @param id of an existing member: it must be this very one.
 * @throws {FleetboxError} `not-found`: it is not built, or another one than the member's; `damaged`; `no-space`
 */
export async function microDirectory(store: Store, id: string | undefined): Promise<string> {
  if (id !== undefined && hasImage(store, id)) return imageDirectory(store, id);
  const from = source();
  let manifest: Manifest;
  try {
    manifest = readManifest(from);
  } catch (cause) {
    throw new FleetboxError("not-found", "The micro image is not built", { cause, hint: "Build it: make micro" });
  }
  const name = `micro-${manifest.version}`;
  if (id !== undefined && id !== name) {
    throw new FleetboxError(
      "not-found",
      `The image ${id} is no longer in the store, and this fleetbox has ${name}`,
      {
        hint: "The disk is only valid on that image: use the fleetbox that made it, or remove the member.",
      },
    );
  }
  const place = imageDirectory(store, name);
  if (!hasImage(store, name)) await unpackOnce(from, manifest, place);
  return place;
}

/** Running unpackings of this process, by path. */
const unpacking = new Map<string, Promise<void>>();

/** Members that boot together share one unpacking. */
function unpackOnce(source: string, manifest: Manifest, place: string): Promise<void> {
  const underWay = unpacking.get(place);
  if (underWay) return underWay;
  const done = unpack(source, manifest, place).finally(() => unpacking.delete(place));
  unpacking.set(place, done);
  return done;
}

/** Copies an image into the store, digests checked. */
async function unpack(source: string, manifest: Manifest, place: string): Promise<void> {
  try {
    await placeImage(place, async (aside) => {
      for (const part of ["kernel", "initrd", "disk"] as const) {
        const file = manifest[part];
        if (file === undefined) continue;
        const digest = await copy(source, file, join(aside, file));
        if (digest !== manifest.sha256?.[part]) throw damaged(manifest, part, digest);
      }
      await writeManifest(aside, manifest);
      return place;
    });
  } catch (cause) {
    throw storeError(`Cannot unpack the image ${manifest.name} into ${place}`, cause);
  }
}

function damaged({ name, sha256 }: Manifest, part: "kernel" | "initrd" | "disk", found: string): FleetboxError {
  return new FleetboxError(
    "damaged",
    `The image ${name} is damaged: its ${part} has SHA-256 ${found}, expected ${sha256?.[part]}`,
    { hint: Deno.build.standalone ? "Download fleetbox again." : "Build it again: make micro" },
  );
}

/** Copies a file in pieces, because an image is large, and returns its SHA-256. */
async function copy(directory: string, file: string, to: string): Promise<string> {
  const { createHash } = await import("node:crypto"); // Web Crypto's digest needs the whole file in memory
  const hash = createHash("sha256");
  using target = await Deno.open(to, { write: true, createNew: true, mode: 0o400 });
  for await (const piece of bytesOf(directory, file)) {
    hash.update(piece);
    await writeAll(target, piece);
  }
  return hash.digest("hex");
}
