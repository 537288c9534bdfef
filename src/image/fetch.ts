/**
 * Brings an image into the store: from the catalogue, from an address, or out of a compressed file.
 *
 * One process downloads while others that need the same image wait for its lock and watch its part grow. The file is
 * checked before it is used: its digest when one is known, and always that it is a whole disk without references to
 * other files (a qcow2 with a backing file could show a guest any file of this host). The digest of the download
 * decides its name, so the same file from two addresses is stored once.
 */

import { basename, isAbsolute, join } from "../system/path.ts";
import { isOffline, OFFLINE_VARIABLE } from "../core/environment.ts";
import { FleetboxError, isNotFound } from "../core/errors.ts";
import { digestOfFile } from "../system/digest.ts";
import { storeError } from "../system/files.ts";
import type { Store } from "../store.ts";
import {
  downloadPaths,
  hasImage,
  imageDirectory,
  keyOf,
  lookUp,
  type Manifest,
  placeImage,
  point,
  withImageLock,
  writeManifest,
} from "./cache.ts";
import { type Architecture, type CatalogRow, catalogRow, debianArchitecture } from "./catalog.ts";
import { compressionOf, unpackFile } from "./compression.ts";
import { checkDisk } from "./disk_check.ts";
import { download, dropPart, type Limits, readPart } from "./download.ts";

export interface FetchProgress {
  step: "downloading" | "verifying" | "unpacking";
  /** The downloaded bytes, the total, and the rate (bytes a second, over the last seconds). */
  bytes: number;
  total?: number;
  rate: number;
}

export interface FetchOptions {
  /** @default the host's */
  arch?: Architecture;
  /** The required image, for a member whose disk was made on it: the alias may mean another one by now. */
  id?: string;
  /** Fetches the catalogue's image, even if the alias means another one now; an address without a digest is asked anew. */
  again?: boolean;
  signal?: AbortSignal;
  onDownload?: (progress: FetchProgress) => void;
  limits?: Partial<Limits>;
}

/** The image to fetch. */
interface Source {
  ref: string;
  arch: Architecture;
  /** The beginning of the image's name in the store. */
  name: string;
  /** An address, or a path. */
  from: string;
  sha256?: string;
  row?: CatalogRow;
}

/**
 * The directory of an image in the store; fetched first when it is missing.
 * @param ref an alias of the catalogue, an address (with `#sha256=…` or without), or the path of a compressed file
 * @throws {FleetboxError} `unavailable`: not reachable, not allowed, or nothing for this architecture; `damaged`: not
 * the expected file; `not-found`; `no-space`; `timeout`
 */
export async function fetchImage(store: Store, ref: string, options: FetchOptions = {}): Promise<string> {
  store.ensure();
  const source = sourceOf(ref, options.arch ?? Deno.build.arch);
  const present = () => {
    if (options.id !== undefined && hasImage(store, options.id)) return options.id;
    const known = lookUp(store, source.ref, source.arch);
    if (options.id !== undefined && known !== options.id) return undefined;
    return options.again && source.row ? pinnedId(store, source) : known;
  };
  // Only its server knows whether it is the same file still.
  const isAsked = options.again === true && isAddressWithoutDigest(source);
  const before = isAsked ? undefined : present() ?? (options.id === undefined ? undefined : pinnedId(store, source));
  if (before !== undefined) {
    if (options.again) await point(store, { ref: source.ref, arch: source.arch, id: before });
    return imageDirectory(store, before);
  }
  const key = keyOf(source.from);
  const watch = new Watch(options.onDownload);
  const paths = downloadPaths(store, key);
  let waited = false;
  return await withImageLock(store, key, async () => {
    const meanwhile = isAsked && !waited ? undefined : present();
    if (meanwhile !== undefined) return imageDirectory(store, meanwhile);
    const id = await bringIn(store, source, paths, watch, options);
    // A member with an older image does not change the alias for others.
    if (options.id === undefined) await point(store, { ref: source.ref, arch: source.arch, id });
    return imageDirectory(store, id);
  }, {
    signal: options.signal,
    onWait: () => {
      waited = true;
      const part = readPart(paths.part, paths.state);
      if (part) watch.tell("downloading", part.bytes, part.state.total);
    },
  });
}

function isAddressWithoutDigest({ from, sha256 }: Source): boolean {
  return !isAbsolute(from) && sha256 === undefined;
}

/** The image of a known digest, if it is in the store. */
function pinnedId(store: Store, { name, sha256 }: Source): string | undefined {
  const id = sha256 === undefined ? undefined : idOf(name, sha256);
  return id !== undefined && hasImage(store, id) ? id : undefined;
}

function idOf(name: string, sha256: string): string {
  return `${name}-${sha256.slice(0, 16)}`;
}

/** Downloads, checks, unpacks and places. @returns the image's id */
async function bringIn(
  store: Store,
  source: Source,
  paths: { part: string; state: string },
  watch: Watch,
  options: FetchOptions,
): Promise<string> {
  const isLocal = isAbsolute(source.from);
  const file = isLocal ? source.from : paths.part;
  let sha256: string;
  if (isLocal) {
    watch.tell("verifying");
    sha256 = await digestOfFile(file, options.signal);
  } else {
    sha256 = await downloaded(source, paths, watch, options);
  }
  const id = idOf(source.name, sha256);
  if (!hasImage(store, id)) {
    try {
      await place(imageDirectory(store, id), file, !isLocal, { ...source, sha256 }, watch, options.signal);
    } catch (thrown) {
      // It is whole but not an image: there is nothing to continue.
      if (!isLocal && !options.signal?.aborted) dropPart(paths);
      throw thrown;
    }
  }
  if (!isLocal) dropPart(paths);
  return id;
}

/** Downloads to the part and returns its verified digest. */
async function downloaded(
  source: Source,
  paths: { part: string; state: string },
  watch: Watch,
  options: FetchOptions,
): Promise<string> {
  refuseOffline(source);
  for (let again = false;; again = true) {
    const { resumed } = await download({
      url: source.from,
      ...paths,
      isPinned: source.sha256 !== undefined,
      signal: options.signal,
      limits: options.limits,
      onBytes: (bytes, total) => watch.tell("downloading", bytes, total),
    });
    watch.tell("verifying");
    const digest = await digestOfFile(paths.part, options.signal);
    if (source.sha256 === undefined || digest === source.sha256) return digest;
    dropPart(paths);
    if (resumed && !again) continue; // the earlier part was of another file
    throw new FleetboxError(
      "damaged",
      `${source.from} has another digest: found SHA-256 ${digest}, expected ${source.sha256}`,
      {
        hint: source.row
          ? "Its publisher has changed it, or it was changed on the way. Find out before you use it."
          : "Correct the digest after #sha256=, or find out why the file has changed.",
      },
    );
  }
}

function refuseOffline({ ref, from, row }: Source): void {
  if (!isOffline()) return;
  throw new FleetboxError(
    "unavailable",
    `The image ${ref} is not in the store, and ${OFFLINE_VARIABLE} forbids downloading it from ${from}`,
    {
      hint: row ? `Unset ${OFFLINE_VARIABLE}, or name a file: --image PATH` : `Unset ${OFFLINE_VARIABLE}`,
    },
  );
}

/** Makes the image from the file: unpacked, checked, with its manifest. */
async function place(
  target: string,
  file: string,
  isOurs: boolean,
  source: Source & { sha256: string },
  watch: Watch,
  signal?: AbortSignal,
): Promise<void> {
  const fill = async (aside: string) => {
    const disk = join(aside, "disk.img");
    const compression = compressionOf(await headOf(file));
    if (compression !== undefined) {
      watch.tell("unpacking");
      await unpackFile(file, disk, compression, signal);
    } else if (isOurs) await Deno.rename(file, disk);
    else await Deno.copyFile(file, disk);
    checkDisk(disk, source.from);
    const { row } = source;
    const manifest: Manifest = {
      name: source.name,
      version: source.sha256.slice(0, 16),
      arch: source.arch,
      disk: "disk.img",
      sha256: { download: source.sha256 },
      ...(row?.firmware && source.arch === "x86_64" ? { firmware: row.firmware } : {}),
      ...(row ? { cloud_init: row.cloudInit, minMemoryMiB: row.minMemoryMiB } : {}),
      defaultMemoryMiB: row?.defaultMemoryMiB ?? 1024,
      origin: { kind: isOurs ? "downloaded" : "unpacked", at: new Date().toISOString(), from: source.from },
    };
    await writeManifest(aside, manifest);
    await Deno.chmod(disk, 0o400);
    return target;
  };
  try {
    await placeImage(target, fill);
  } catch (cause) {
    signal?.throwIfAborted();
    throw storeError(`Cannot keep the image ${source.ref}`, cause);
  }
}

async function headOf(path: string): Promise<Uint8Array> {
  using file = await Deno.open(path);
  const head = new Uint8Array(8);
  await file.read(head);
  return head;
}

/** Where an image comes from. @throws {FleetboxError} `misuse`, `unavailable` */
function sourceOf(ref: string, arch: Architecture): Source {
  if (isAbsolute(ref)) {
    const { size, mtime } = statOf(ref);
    const name = plainName(basename(ref));
    return { ref: `${ref} ${size} ${mtime?.getTime() ?? 0}`, arch, name, from: ref };
  }
  const row = catalogRow(ref);
  if (!row) return addressSource(ref, arch);
  const file = row.files[debianArchitecture(arch)];
  if (!file) {
    throw new FleetboxError("unavailable", `The catalogue has no ${ref} for ${debianArchitecture(arch)}`, {
      hint: `It has: ${Object.keys(row.files).join(", ")}.`,
    });
  }
  return { ref, arch, name: row.alias, from: file.url, sha256: file.sha256, row };
}

function statOf(path: string): Deno.FileInfo {
  try {
    return Deno.statSync(path);
  } catch (cause) {
    const isAbsent = isNotFound(cause);
    const text = isAbsent ? `There is no image at ${path}` : `Cannot read the image ${path}`;
    throw new FleetboxError(isAbsent ? "not-found" : "denied", text, { cause });
  }
}

/** `https://host/disk.qcow2#sha256=<64 digits>` */
function addressSource(ref: string, arch: Architecture): Source {
  let url: URL;
  try {
    url = new URL(ref);
  } catch (cause) {
    throw new FleetboxError("misuse", `Bad address of an image: ${ref}`, { cause });
  }
  const digest = /^#sha256=([0-9a-f]{64})$/i.exec(url.hash)?.[1]?.toLowerCase();
  if (url.hash !== "" && digest === undefined) {
    throw new FleetboxError("misuse", `Bad digest of an image: found ${url.hash}, expected #sha256= and 64 digits`);
  }
  url.hash = "";
  return { ref, arch, name: plainName(basename(url.pathname)), from: url.href, sha256: digest };
}

/** A file's name as the beginning of a directory's. */
export function plainName(name: string): string {
  const plain = name.replace(/(\.(gz|xz|img|raw|qcow2))+$/i, "").replace(/[^A-Za-z0-9._-]+/g, "-").slice(0, 48);
  return plain.replace(/^[^A-Za-z0-9]+/, "").replace(/[^A-Za-z0-9]+$/, "") || "disk";
}

/** The rate, and the callback for progress. */
class Watch {
  #samples: { ms: number; bytes: number }[] = [];
  #bytes = 0;
  #total: number | undefined;

  constructor(private readonly onProgress: ((progress: FetchProgress) => void) | undefined) {}

  tell(step: FetchProgress["step"], bytes = this.#bytes, total = this.#total): void {
    this.#bytes = bytes;
    this.#total = total;
    const now = performance.now();
    this.#samples.push({ ms: now, bytes });
    while (this.#samples.length > 2 && now - this.#samples[0].ms > RATE_OVER_MS) this.#samples.shift();
    const [first] = this.#samples;
    const rate = now > first.ms ? Math.max(0, Math.round((bytes - first.bytes) / ((now - first.ms) / 1000))) : 0;
    this.onProgress?.({ step, bytes, ...(total === undefined ? {} : { total }), rate });
  }
}

const RATE_OVER_MS = 3_000;
