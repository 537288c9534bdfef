/**
 * Images: what a user's word for one (an alias, a path) stands for on this machine.
 *
 * An image is an immutable base disk, with a kernel and an initial RAM disk when it has no boot loader. `micro` comes
 * with fleetbox (`build/micro`, or inside the compiled executable) and is unpacked once into the store, under a name
 * that holds its digest, so that overlays keep the very base they were made on. A path is used where it is: a qcow2 or
 * raw file, or a directory with an `image.json` like micro's. Since an overlay on a file that changed is a broken disk,
 * a member remembers the identity of its image ({@link Image.id}) and is not booted on another one.
 */

import { basename, isAbsolute, join } from "node:path";
import { FleetboxError, isNotFound } from "../errors.ts";
import { exists, type Store, storeError } from "../store.ts";
import type { BootSource } from "../vmm/contract.ts";

export type DiskFormat = "qcow2" | "raw";

export interface Image {
  /** What the user asked for: an alias or an absolute path. */
  ref: string;
  /** Changes exactly when the image's content does. */
  id: string;
  disk: string;
  format: DiskFormat;
  /** The disk's size as a guest sees it. */
  virtualBytes: number;
  boot: BootSource;
  /** The least memory it boots with. */
  minMemoryMiB: number;
  /** What a member gets when nobody says. */
  defaultMemoryMiB: number;
  /** Whether the guest runs cloud-init, so that it is up when that has finished. Undefined: nobody knows. */
  cloudInit?: boolean;
}

/** `image.json` of an image with its own kernel. */
interface Manifest {
  name: string;
  version: string;
  kernel: string;
  initrd: string;
  disk: string;
  cmdline: string;
  minMemoryMiB?: number;
  cloud_init?: boolean;
  sha256: Record<"kernel" | "initrd" | "disk", string>;
}

/** The aliases that exist. */
export const ALIASES = ["micro"];

/**
 * Finds the image for what a user asked. `micro` is unpacked into the store when it is not there yet.
 * @param id of an existing member: the image must still be this one.
 * @throws {FleetboxError} `not-found`: no such alias or file; `conflict`: it changed since; `damaged`.
 */
export async function resolveImage(store: Store, ref: string, id?: string): Promise<Image> {
  if (ref === "micro") return await micro(store, id);
  if (!isAbsolute(ref)) {
    throw new FleetboxError("not-found", `Unknown image "${ref}"; expected ${ALIASES.join(", ")}, or a path`, {
      hint: "A file is named by its path, such as ./disk.qcow2.",
    });
  }
  const image = describePath(ref);
  if (id !== undefined && image.id !== id) {
    throw new FleetboxError("conflict", `The image ${ref} has changed since the member's disk was made on it`, {
      hint: "Put the old file back, or make the member anew: its disk is only valid on the old content.",
    });
  }
  return image;
}

async function micro(store: Store, id: string | undefined): Promise<Image> {
  const wanted = id && join(store.imagesDir, id);
  if (wanted && exists(join(wanted, "image.json"))) return describeDirectory("micro", wanted);
  const source = microSource();
  let manifest: Manifest;
  try {
    manifest = readManifest(source);
  } catch (cause) {
    throw new FleetboxError("not-found", "The micro image is not built", { cause, hint: "Build it: make micro" });
  }
  const name = `micro-${manifest.version}`;
  if (id !== undefined && id !== name) {
    throw new FleetboxError(
      "not-found",
      `The image ${id} is not in the store any more, and this fleetbox brings ${name}`,
      {
        hint: "The disk is only valid on that image: use the fleetbox that made it, or remove the member.",
      },
    );
  }
  const place = join(store.imagesDir, name);
  if (!exists(join(place, "image.json"))) await unpackOnce(source, manifest, place);
  return describeDirectory("micro", place);
}

function microSource(): string {
  return Deno.env.get("FLEETBOX_MICRO") ?? join(import.meta.dirname!, "../../build/micro");
}

/** What is being unpacked in this process, by place. */
const unpacking = new Map<string, Promise<void>>();

/** Members that boot together share one unpacking. */
function unpackOnce(source: string, manifest: Manifest, place: string): Promise<void> {
  const underWay = unpacking.get(place);
  if (underWay) return underWay;
  const done = unpack(source, manifest, place).finally(() => unpacking.delete(place));
  unpacking.set(place, done);
  return done;
}

/** Copies an image into the store: aside, digests checked, renamed. Two at once end with one. */
async function unpack(source: string, manifest: Manifest, place: string): Promise<void> {
  const aside = `${place}.${crypto.randomUUID().slice(0, 8)}.tmp`;
  try {
    Deno.mkdirSync(aside, { mode: 0o700 });
    for (const part of ["kernel", "initrd", "disk"] as const) {
      const digest = await copy(join(source, manifest[part]), join(aside, manifest[part]));
      if (digest !== manifest.sha256[part]) {
        throw new FleetboxError(
          "damaged",
          `The image ${manifest.name} is damaged: its ${part} has SHA-256 ${digest}, expected ${manifest.sha256[part]}`,
          { hint: "Build it again: make micro" },
        );
      }
    }
    await Deno.writeTextFile(join(aside, "image.json"), JSON.stringify(manifest, null, 2) + "\n", { mode: 0o400 });
    try {
      await Deno.rename(aside, place);
    } catch (thrown) {
      if (!exists(join(place, "image.json"))) throw thrown; // else: somebody else was faster
    }
  } catch (cause) {
    throw storeError(`Cannot unpack the image ${manifest.name} into ${place}`, cause);
  } finally {
    await Deno.remove(aside, { recursive: true }).catch(() => {});
  }
}

/** Copies a file in pieces, for an image is large, and gives its SHA-256. */
async function copy(from: string, to: string): Promise<string> {
  const { createHash } = await import("node:crypto"); // Web Crypto's digest wants the whole file in memory
  const hash = createHash("sha256");
  using source = await Deno.open(from);
  using target = await Deno.open(to, { write: true, createNew: true, mode: 0o400 });
  const buffer = new Uint8Array(256 * 1024);
  for (let count = await source.read(buffer); count !== null; count = await source.read(buffer)) {
    const piece = buffer.subarray(0, count);
    hash.update(piece);
    for (let at = 0; at < count;) at += await target.write(piece.subarray(at));
  }
  return hash.digest("hex");
}

function describePath(path: string): Image {
  let info: Deno.FileInfo;
  try {
    info = Deno.statSync(path);
  } catch (cause) {
    if (!isNotFound(cause)) throw new FleetboxError("denied", `Cannot read the image ${path}`, { cause });
    throw new FleetboxError("not-found", `There is no image at ${path}`, {
      cause,
      hint: `Expected a qcow2 or raw file, a directory with an image.json, or one of: ${ALIASES.join(", ")}.`,
    });
  }
  if (info.isDirectory) return describeDirectory(path, path);
  return {
    ref: path,
    id: `${basename(path)}:${info.size}:${info.mtime?.getTime() ?? 0}`,
    disk: path,
    ...diskFacts(path),
    boot: { kind: "firmware" },
    minMemoryMiB: 64,
    defaultMemoryMiB: 1024,
  };
}

function describeDirectory(ref: string, directory: string): Image {
  const manifest = readManifest(directory);
  const disk = join(directory, manifest.disk);
  return {
    ref,
    id: `${manifest.name}-${manifest.version}`,
    disk,
    ...diskFacts(disk),
    boot: {
      kind: "kernel",
      kernel: join(directory, manifest.kernel),
      initrd: join(directory, manifest.initrd),
      cmdline: manifest.cmdline,
    },
    minMemoryMiB: manifest.minMemoryMiB ?? 64,
    defaultMemoryMiB: 256,
    cloudInit: manifest.cloud_init === true,
  };
}

function readManifest(directory: string): Manifest {
  const path = join(directory, "image.json");
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(Deno.readTextFileSync(path));
  } catch (cause) {
    throw new FleetboxError(isNotFound(cause) ? "not-found" : "damaged", `Cannot read the image's ${path}`, { cause });
  }
  for (const key of ["name", "version", "kernel", "initrd", "disk", "cmdline"]) {
    const found = value?.[key];
    if (typeof found !== "string" || (key !== "cmdline" && /[/\0]/.test(found))) {
      throw new FleetboxError(
        "damaged",
        `${path}: bad "${key}": found ${JSON.stringify(found)}, expected a plain string`,
      );
    }
  }
  return value as unknown as Manifest;
}

/** Format and virtual size, from the file's first bytes (qcow2: docs/interop/qcow2.txt, magic and bytes 24 to 31). */
function diskFacts(path: string): { format: DiskFormat; virtualBytes: number } {
  try {
    using file = Deno.openSync(path);
    const head = new Uint8Array(32);
    const count = file.readSync(head) ?? 0;
    const view = new DataView(head.buffer);
    if (count === 32 && view.getUint32(0) === 0x514649fb) {
      return { format: "qcow2", virtualBytes: Number(view.getBigUint64(24)) };
    }
    const { size } = file.statSync();
    if (size < 512) throw new FleetboxError("damaged", `The image ${path} has ${size} bytes: expected a disk`);
    return { format: "raw", virtualBytes: size };
  } catch (cause) {
    if (cause instanceof FleetboxError) throw cause;
    throw new FleetboxError(isNotFound(cause) ? "not-found" : "denied", `Cannot read the image ${path}`, { cause });
  }
}
