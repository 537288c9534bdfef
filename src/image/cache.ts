/**
 * The images in the store: the directory `images/`.
 *
 *     images/
 *       <name>-<version>/   an image, whole and for ever: image.json and its files. The version is a digest
 *       refs/<key>.json     what an alias or an address stands for: {@link Reference}
 *       <key>.part  .json   a download that has not come to its end, and what is known of it
 *       <key>.lock          held (flock) by who downloads, unpacks or builds what the key stands for
 *
 * An image is made in a temporary directory and renamed to its place ({@link placeImage}); two processes that make the
 * same one end with one. A member remembers its image by the directory's name, so that an alias can move to a newer image while old
 * overlays keep their base.
 */

import { unlessAborted } from "../core/deadline.ts";
import { join } from "../core/paths.ts";
import { causesOf, FleetboxError, isNotFound, messageOf } from "../core/errors.ts";
import {
  bytesUsed,
  exists,
  removeIfThere,
  storeError,
  temporaryOf,
  withDirectoryBeside,
  writeDurably,
} from "../system/files.ts";
import { withLock } from "../system/locks.ts";
import { digestOf, type Store } from "../store.ts";
import type { Architecture } from "./catalog.ts";

/** Where an image came from, for people. */
interface Origin {
  kind: "built" | "downloaded" | "unpacked";
  /** When, ISO 8601. */
  at: string;
  /** Its address or file. */
  from?: string;
  /** The version of fleetbox that built it. */
  by?: string;
}

/** `image.json`. An image without a kernel has a boot loader on its disk. */
export interface Manifest {
  name: string;
  version: string;
  /** @default the host's */
  arch?: Architecture;
  kernel?: string;
  initrd?: string;
  disk: string;
  cmdline?: string;
  /** Added to it where cloud-init does not need the network early. */
  cmdlineOffline?: string;
  /** The firmware that starts a disk with a boot loader. @default "bios" on x86_64, "uefi" on arm64 */
  firmware?: "bios" | "uefi";
  minMemoryMiB?: number;
  defaultMemoryMiB?: number;
  /** Whether the guest runs cloud-init; absent: unknown. */
  cloud_init?: boolean;
  /** The version of the agent in the guest (`guest/agent_program.ts`); absent: it has none. */
  agent?: number;
  /** Digests, by part; of a download: of the file as it was downloaded. */
  sha256?: Partial<Record<"kernel" | "initrd" | "disk" | "download", string>>;
  origin?: Origin;
}

/** The target of an image's name. */
interface Reference {
  /** The alias, the address, or the compressed file. */
  ref: string;
  arch: Architecture;
  /** The directory's name. */
  id: string;
}

/** An image that is in the store. */
export interface CachedImage {
  id: string;
  manifest: Manifest;
  /** Its size on the disk. */
  bytes: number;
  /** When it was added. */
  since: Date;
  /** Its names now. */
  refs: Reference[];
}

/** A key for files, from a name of any kind. */
export function keyOf(...words: string[]): string {
  return digestOf(words.join("\0"));
}

/** The directory of an image. */
export function imageDirectory(store: Store, id: string): string {
  return join(store.imagesDir, id);
}

/** Whether an image is in the store. */
export function hasImage(store: Store, id: string): boolean {
  return exists(join(imageDirectory(store, id), "image.json"));
}

/** The files of a download. */
export function downloadPaths(store: Store, key: string): { part: string; state: string } {
  const at = join(store.imagesDir, key);
  return { part: `${at}.part`, state: `${at}.part.json` };
}

function referencePath(store: Store, ref: string, arch: Architecture): string {
  return join(store.imagesDir, "refs", `${keyOf(ref, arch)}.json`);
}

/** The image that a name means, if it is in the store. */
export function lookUp(store: Store, ref: string, arch: Architecture): string | undefined {
  const found = readReference(referencePath(store, ref, arch));
  return found && found.ref === ref && hasImage(store, found.id) ? found.id : undefined;
}

/** Makes a name mean an image from now on. */
export async function point(store: Store, reference: Reference): Promise<void> {
  const path = referencePath(store, reference.ref, reference.arch);
  try {
    await Deno.mkdir(join(path, ".."), { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw storeError(`Cannot write ${path}`, cause);
  }
  await writeDurably(path, JSON.stringify(reference) + "\n", { sync: false });
}

/** Removes a name. */
function unpoint(store: Store, { ref, arch }: Reference): void {
  removeIfThere(referencePath(store, ref, arch));
}

/** Every name. */
export function references(store: Store): Reference[] {
  const dir = join(store.imagesDir, "refs");
  return readableNames(dir).flatMap((name) => {
    const found = readReference(join(dir, name));
    return found ? [found] : [];
  });
}

function readReference(path: string): Reference | undefined {
  try {
    const value = JSON.parse(Deno.readTextFileSync(path)) as Reference;
    const sound = [value.ref, value.arch, value.id].every((one) => typeof one === "string") && isImageName(value.id);
    return sound ? value : undefined;
  } catch {
    return undefined; // a damaged reference counts as missing: the image is found, or fetched, again
  }
}

/** Images in the store that cannot be read, with the reason. */
export function damagedImages(store: Store): { id: string; why: string }[] {
  return readableNames(store.imagesDir).sort().flatMap((id) => {
    if (!isImageName(id) || !hasImage(store, id)) return [];
    try {
      readManifest(imageDirectory(store, id));
      return [];
    } catch (thrown) {
      return [{ id, why: [messageOf(thrown), ...causesOf(thrown)].join(": ") }];
    }
  });
}

/** Every image in the store that can be read, by name. */
export function cachedImages(store: Store): CachedImage[] {
  const all = references(store);
  return readableNames(store.imagesDir).sort().flatMap((id) => {
    const directory = imageDirectory(store, id);
    if (!isImageName(id) || !exists(join(directory, "image.json"))) return [];
    try {
      const manifest = readManifest(directory);
      const { mtime } = Deno.statSync(join(directory, "image.json"));
      const since = manifest.origin ? new Date(manifest.origin.at) : mtime ?? new Date(0);
      return [{ id, manifest, bytes: bytesUsed(directory), since, refs: all.filter((one) => one.id === id) }];
    } catch {
      return [];
    }
  });
}

/**
 * Makes an image: `make` fills a directory beside `near` and returns the image's place, to which the directory is then
 * renamed. Of two that make the same image at once, the first one's stays.
 */
export async function placeImage(near: string, make: (aside: string) => Promise<string>): Promise<string> {
  return await withDirectoryBeside(near, async (aside) => {
    const place = await make(aside);
    try {
      await Deno.rename(aside, place);
    } catch (thrown) {
      if (!exists(join(place, "image.json"))) throw thrown; // else another one was faster
    }
    return place;
  });
}

/** Whether a directory's name is an image's, not a temporary or internal one. */
export function isImageName(name: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name) && name !== "refs" && !/\.(tmp|part|json|lock)$/.test(name);
}

/**
 * Deletes an image and its names. The caller knows that no member uses it.
 * @throws {FleetboxError} `denied`, `failed`
 */
export async function removeImage(store: Store, id: string): Promise<void> {
  for (const reference of references(store)) if (reference.id === id) unpoint(store, reference);
  const doomed = temporaryOf(imageDirectory(store, id));
  try {
    await Deno.rename(imageDirectory(store, id), doomed); // from now on it is gone
    await Deno.remove(doomed, { recursive: true });
  } catch (cause) {
    if (!isNotFound(cause)) throw storeError(`Cannot remove the image ${id}`, cause);
  }
}

/**
 * Runs `work` while no other process works on the key's image.
 * @param onWait called every {@link WAIT_MS} while another process does
 */
export async function withImageLock<T>(
  store: Store,
  key: string,
  work: () => Promise<T>,
  options: { signal?: AbortSignal; onWait?: () => void } = {},
): Promise<T> {
  const path = join(store.imagesDir, `${key}.lock`);
  return await withLock(path, work, {
    prepare: () => options.signal?.throwIfAborted(),
    wait: (lock) => patiently(lock, options),
    // Unlinked while it is held: a process that waits for it sees that the file is gone, and takes a new one.
    release: () => Deno.remove(path).catch(() => {}),
  });
}

const WAIT_MS = 250;

/** The lock. Waiting for it cannot be aborted, so a lock that comes too late is released. */
async function patiently(
  lock: Promise<Deno.FsFile | undefined>,
  { signal, onWait }: { signal?: AbortSignal; onWait?: () => void },
): Promise<Deno.FsFile | undefined> {
  const timer = setInterval(() => onWait?.(), WAIT_MS);
  try {
    return await unlessAborted(lock, signal);
  } catch (thrown) {
    void lock.then((late) => late?.close(), () => {});
    throw thrown;
  } finally {
    clearInterval(timer);
  }
}

/** Writes `image.json` into an image's directory while it is made ({@link placeImage}). */
export async function writeManifest(directory: string, manifest: Manifest): Promise<void> {
  await Deno.writeTextFile(join(directory, "image.json"), JSON.stringify(manifest, null, 2) + "\n", { mode: 0o400 });
}

/** Reads and checks `image.json`. @throws {FleetboxError} `not-found`, `damaged` */
export function readManifest(directory: string): Manifest {
  const path = join(directory, "image.json");
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(Deno.readTextFileSync(path));
  } catch (cause) {
    throw new FleetboxError(isNotFound(cause) ? "not-found" : "damaged", `Cannot read the image's ${path}`, { cause });
  }
  const bad = (key: string, expected: string): never => {
    throw new FleetboxError(
      "damaged",
      `${path}: bad "${key}": found ${JSON.stringify(value?.[key])}, expected ${expected}`,
    );
  };
  if (typeof value !== "object" || value === null) throw new FleetboxError("damaged", `${path} is not a JSON object`);
  for (const key of ["name", "version", "disk"]) if (!isPlain(value[key])) bad(key, "a plain string");
  // A kernel needs all three; without a kernel the disk has a boot loader.
  if (value.kernel !== undefined || value.cmdline !== undefined) {
    for (const key of ["kernel", "initrd"]) if (!isPlain(value[key])) bad(key, "a plain string");
    if (typeof value.cmdline !== "string" || value.cmdline.includes("\0")) bad("cmdline", "a string");
    if (value.cmdlineOffline !== undefined && !isPlain(value.cmdlineOffline)) bad("cmdlineOffline", "a plain string");
  }
  if (value.agent !== undefined && !Number.isInteger(value.agent)) bad("agent", "a whole number");
  if (value.arch !== undefined && value.arch !== "x86_64" && value.arch !== "aarch64") bad("arch", "x86_64 or aarch64");
  if (value.firmware !== undefined && value.firmware !== "bios" && value.firmware !== "uefi") {
    bad("firmware", "bios or uefi");
  }
  return value as unknown as Manifest;
}

function isPlain(value: unknown): boolean {
  return typeof value === "string" && value !== "" && !/[/\0]/.test(value);
}

function readableNames(directory: string): string[] {
  try {
    return [...Deno.readDirSync(directory)].map(({ name }) => name);
  } catch (thrown) {
    if (isNotFound(thrown)) return [];
    throw new FleetboxError("denied", `Cannot read ${directory}: ${messageOf(thrown)}`, { cause: thrown });
  }
}
