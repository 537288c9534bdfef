/**
 * Images: resolves a user's reference (an alias, an id, a path, an address) on this host.
 *
 * An image is an immutable base disk, with a kernel and an initial RAM disk when it has no boot loader. `micro` comes
 * with fleetbox; the catalogue's aliases and addresses are downloaded, or built, into the store once (`fetch.ts`). A
 * path is used where it is: a qcow2 or raw file, or a directory with an `image.json` like micro's; a compressed file is
 * unpacked into the store. Because an overlay on a changed file is a broken disk, a member remembers the identity of
 * its image ({@link Image.id}) and is not booted on another one.
 */

import { basename, join } from "../core/paths.ts";
import { FleetboxError, isNotFound } from "../core/errors.ts";
import { nearest } from "../core/nearest.ts";
import type { Store } from "../store.ts";
import { hasImage, imageDirectory, isImageName, lookUp, readManifest, references } from "./cache.ts";
import { checkBootable } from "./boot_check.ts";
import { type Architecture, CATALOG, catalogRow, debianArchitecture } from "./catalog.ts";
import { compressionOf } from "./compression.ts";
import { MICRO, microDirectory } from "./micro.ts";
import type { FetchProgress } from "./fetch.ts";

/**
 * What it starts from. `cmdlineOffline`: added to the command line where cloud-init needs no network early. `firmware`: absent, the usual one of its architecture: BIOS on x86_64, UEFI on arm64.
 */
export type ImageBoot =
  | { kind: "kernel"; kernel: string; initrd?: string; cmdline: string; cmdlineOffline?: string }
  | { kind: "firmware"; firmware?: "bios" | "uefi" };

export type DiskFormat = "qcow2" | "raw";

export interface Image {
  /** The user's reference: an alias, an id, an absolute path or an address. */
  ref: string;
  /** Changes exactly when the image's content does. */
  id: string;
  arch: Architecture;
  disk: string;
  format: DiskFormat;
  /** The disk's size as a guest sees it. */
  virtualBytes: number;
  boot: ImageBoot;
  /** The least memory it boots with. */
  minMemoryMiB: number;
  /** The default memory of a member. */
  defaultMemoryMiB: number;
  /** Whether the guest runs cloud-init, so that it is up when that has finished. Undefined: unknown. */
  cloudInit?: boolean;
  /** The version of the guest's agent. Undefined: it has none. */
  agent?: number;
}

interface ResolveOptions {
  /** @default the image's own, else the host's */
  arch?: Architecture;
  /** The firmware for a disk with a boot loader. @default the image's, else BIOS on x86_64 and UEFI on arm64 */
  firmware?: "bios" | "uefi";
  signal?: AbortSignal;
  /** Called with a download's progress; never when there is nothing to download. */
  onDownload?: (progress: FetchProgress) => void;
}

/** The aliases that exist. */
export const ALIASES = [MICRO, ...CATALOG.map(({ alias }) => alias)];

/**
 * Finds the image for a reference; downloads or unpacks it into the store when it is missing.
 * @param id of an existing member: the image must still be this one.
 * @throws {FleetboxError} `not-found`: no such alias or file; `conflict`: it changed since; `damaged`; `unavailable`: it
 *   must be downloaded, and may not or cannot; `no-space`; …
 */
export async function resolveImage(
  store: Store,
  ref: string,
  id?: string,
  options: ResolveOptions = {},
): Promise<Image> {
  const image = await locate(store, ref, id, options);
  const { arch } = options;
  if (arch !== undefined && arch !== image.arch) {
    throw new FleetboxError(
      "misuse",
      `The image ${ref} is for ${debianArchitecture(image.arch)}, and ${debianArchitecture(arch)} was asked for`,
    );
  }
  return options.firmware && image.boot.kind === "firmware"
    ? { ...image, boot: { kind: "firmware", firmware: options.firmware } }
    : image;
}

async function locate(store: Store, ref: string, id: string | undefined, options: ResolveOptions): Promise<Image> {
  if (ref === MICRO) return describeStored(ref, await microDirectory(store, id));
  const isLocal = ref.startsWith("/");
  // An image in the store does not change when its alias, address or file does.
  if (id !== undefined && (!isLocal || isCompressedName(ref)) && hasImage(store, id)) {
    return describeStored(ref, imageDirectory(store, id));
  }
  if (!isLocal && !isAddress(ref) && !catalogRow(ref)) {
    // One of the user's own, by the name that it was built with. Or by its id, as `image ls` prints it: this very image, even if the
    // alias means another one by now.
    const known = lookUp(store, ref, options.arch ?? Deno.build.arch) ?? ref;
    if (id === undefined && isImageName(known) && hasImage(store, known)) {
      return describeStored(ref, imageDirectory(store, known));
    }
    throw unknownImage(store, ref);
  }
  const plain = isLocal ? describePath(ref, options) : undefined;
  if (plain?.boot.kind === "firmware" && id === undefined) checkBootable(plain.disk, plain.format, ref);
  const image = plain ?? await fetched(store, ref, id, options);
  if (id !== undefined && image.id !== id) {
    throw new FleetboxError("conflict", `The image ${ref} has changed since the member's disk was made on it`, {
      hint: isLocal
        ? "Put the old file back, or create the member again: its disk is only valid on the old content."
        : `The disk is only valid on ${id}, which is no longer in the store: create the member again.`,
    });
  }
  return image;
}

function unknownImage(store: Store, ref: string): FleetboxError {
  const alias = /^(.+)-[0-9a-f]{16}$/.exec(ref)?.[1];
  if (alias !== undefined) {
    const hint = ALIASES.includes(alias)
      ? `Use the alias: --image ${alias}; list the images in the store: fleetbox image ls`
      : "List the images in the store: fleetbox image ls";
    return new FleetboxError("not-found", `There is no image ${ref} in the store`, { hint });
  }
  const near = nearest(ref, [...ALIASES, ...references(store).map((own) => own.ref)]);
  return new FleetboxError(
    "not-found",
    `Unknown image "${ref}"; expected ${ALIASES.join(", ")}, an id that fleetbox image ls prints, a path or an address`,
    { hint: near ? `Did you mean ${near}?` : "A file is named by its path, such as ./disk.qcow2." },
  );
}

async function fetched(store: Store, ref: string, id: string | undefined, options: ResolveOptions): Promise<Image> {
  const { fetchImage } = await import("./fetch.ts");
  return describeStored(ref, await fetchImage(store, ref, { ...options, id }));
}

/** Whether a reference is an address. */
function isAddress(ref: string): boolean {
  return /^https?:\/\//i.test(ref);
}

function isCompressedName(path: string): boolean {
  return /\.(gz|xz)$/i.test(path);
}

/** A file or directory; undefined when it is a compressed file, which must be unpacked first. */
function describePath(path: string, options: ResolveOptions): Image | undefined {
  let info: Deno.FileInfo;
  try {
    info = Deno.statSync(path);
  } catch (cause) {
    if (!isNotFound(cause)) throw new FleetboxError("denied", `Cannot read the image ${path}`, { cause });
    throw new FleetboxError("not-found", `There is no image at ${path}`, {
      cause,
      hint: `Name a qcow2 or raw file, a directory with an image.json, or one of: ${ALIASES.join(", ")}.`,
    });
  }
  if (info.isDirectory) return describeDirectory(path, path);
  const head = readHead(path);
  if (compressionOf(head) !== undefined) return undefined;
  return {
    ref: path,
    id: `${basename(path)}:${info.size}:${info.mtime?.getTime() ?? 0}`,
    arch: options.arch ?? Deno.build.arch,
    disk: path,
    ...diskFacts(path),
    boot: { kind: "firmware" },
    minMemoryMiB: 64,
    defaultMemoryMiB: 1024,
  };
}

/** One of the store, which fleetbox has made. @throws {FleetboxError} `damaged` */
function describeStored(ref: string, directory: string): Image {
  try {
    return describeDirectory(ref, directory);
  } catch (thrown) {
    if (!(thrown instanceof FleetboxError) || thrown.code !== "damaged") throw thrown;
    throw new FleetboxError("damaged", thrown.message, {
      cause: thrown.cause,
      hint: `Move ${directory} away: an image that comes with fleetbox, or was downloaded, is brought again`,
    });
  }
}

/** An image in a directory with an `image.json`. @throws {FleetboxError} `not-found`, `damaged` */
export function describeDirectory(ref: string, directory: string): Image {
  const manifest = readManifest(directory);
  const { kernel, initrd, cmdline, cmdlineOffline, firmware } = manifest;
  const disk = join(directory, manifest.disk);
  return {
    ref,
    id: `${manifest.name}-${manifest.version}`,
    arch: manifest.arch ?? Deno.build.arch,
    disk,
    ...diskFacts(disk),
    boot: kernel === undefined ? { kind: "firmware", ...(firmware ? { firmware } : {}) } : {
      kind: "kernel",
      kernel: join(directory, kernel),
      ...(initrd === undefined ? {} : { initrd: join(directory, initrd) }),
      cmdline: cmdline ?? "",
      ...(cmdlineOffline === undefined ? {} : { cmdlineOffline }),
    },
    minMemoryMiB: manifest.minMemoryMiB ?? 64,
    defaultMemoryMiB: manifest.defaultMemoryMiB ?? (kernel === undefined ? 1024 : 256),
    ...(manifest.agent === undefined ? {} : { agent: manifest.agent }),
    ...(manifest.cloud_init === undefined && kernel === undefined ? {} : { cloudInit: manifest.cloud_init === true }),
  };
}

/** Format and virtual size, from the file's first bytes (qcow2: docs/interop/qcow2.txt, magic and bytes 24 to 31). */
function diskFacts(path: string): { format: DiskFormat; virtualBytes: number } {
  const head = readHead(path);
  const view = new DataView(head.buffer);
  if (head.length === 32 && view.getUint32(0) === 0x514649fb) {
    return { format: "qcow2", virtualBytes: Number(view.getBigUint64(24)) };
  }
  const { size } = Deno.statSync(path);
  if (size < 512) throw new FleetboxError("damaged", `The image ${path} has ${size} bytes: expected a disk`);
  return { format: "raw", virtualBytes: size };
}

/** A file's first 32 bytes, or as many as it has. */
function readHead(path: string): Uint8Array<ArrayBuffer> {
  try {
    using file = Deno.openSync(path);
    const head = new Uint8Array(32);
    return head.slice(0, file.readSync(head) ?? 0);
  } catch (cause) {
    throw new FleetboxError(isNotFound(cause) ? "not-found" : "denied", `Cannot read the image ${path}`, { cause });
  }
}
