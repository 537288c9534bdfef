/**
 * Shared directories: a guest sees a directory of the host as it was at boot, read-only.
 *
 * Each becomes an ext4 image (`mke2fs -d`: owners, modes, links, holes and names of any kind are kept), a disk that the
 * guest finds by its label. The seed tells the guest where to mount it (`seed.ts`). The file system has only features
 * that every guest's kernel knows, whatever the host's defaults are. Sizes are estimated and then tried: the image is
 * sparse, so free space in it costs nothing.
 */

import { FleetboxError, isNoSpace, isNotFound } from "../../core/errors.ts";
import type { SharedDirectory } from "../../core/options.ts";
import { host } from "../../system/os.ts";
import { ProcessError, run, toolPath } from "../../system/process.ts";
import { storeError } from "../../system/files.ts";
import { replaceFile, temporaryOf } from "../../system/files.ts";

/** Each is a device on the machine's bus. */
export const MAX_SHARED_DIRECTORIES = 16;

/** The label of the n-th shared directory's file system; at most 16 bytes (ext4). */
export function sharedDirectoryLabel(index: number): string {
  return `fb-fixture-${index}`;
}

/** Of those that the guest writes to: each is a device, a program and a socket. */
export const MAX_SHARES = 8;

/**
 * Checks shared directories: the host's directories exist and can be read, and the guest's paths can be mount points.
 * Cheap: does not read their files.
 * @throws {FleetboxError} `misuse`: a guest's path; `not-found`, `denied`, `misuse`: the host's directory.
 */
export function checkSharedDirectories(
  directories: readonly SharedDirectory[],
  shares: readonly SharedDirectory[] = [],
): void {
  if (shares.length > MAX_SHARES) {
    throw new FleetboxError("misuse", `Found ${shares.length} read-write shares, expected at most ${MAX_SHARES}`);
  }
  if (directories.length > MAX_SHARED_DIRECTORIES) {
    throw new FleetboxError(
      "misuse",
      `Found ${directories.length} shared directories, expected at most ${MAX_SHARED_DIRECTORIES}`,
    );
  }
  const taken: string[] = [];
  for (const { guest_path } of [...directories, ...shares]) {
    checkGuestPath(guest_path);
    const other = taken.find((path) =>
      `${path}/`.startsWith(`${guest_path}/`) || `${guest_path}/`.startsWith(`${path}/`)
    );
    if (other !== undefined) {
      const how = other === guest_path
        ? `two shared directories at ${shown(other)}`
        : `${shown(guest_path)} and ${shown(other)}`;
      throw new FleetboxError("misuse", `Cannot mount one shared directory over another: found ${how}`);
    }
    taken.push(guest_path);
  }
  for (const { host_path } of directories) checkHostDirectory(host_path, "--fixture");
  for (const { host_path } of shares) checkHostDirectory(host_path, "--share");
}

/** @throws {FleetboxError} `misuse`: relative, the root, not in its shortest form, or with a control character. */
function checkGuestPath(path: string): void {
  const bad = (expected: string) => {
    throw new FleetboxError(
      "misuse",
      `Bad mount point of a shared directory in the guest: found ${shown(path)}, expected ${expected}`,
    );
  };
  if (!path.startsWith("/")) bad("an absolute path");
  if (path === "/") bad("a directory below /");
  // deno-lint-ignore no-control-regex
  if (/[\x00-\x1f\x7f]/.test(path)) bad("no control characters");
  if (path.split("/").slice(1).some((part) => part === "" || part === "." || part === "..")) {
    bad('no ".", ".." or empty part in it');
  }
  if (/^\/(proc|sys|dev)(\/|$)/.test(path)) bad("no directory of the kernel's");
  if (new TextEncoder().encode(path).length > 1000) bad("at most 1000 bytes");
}

/**
 * A guest that could write the store could write the disks of others, and read the key to them.
 * @throws {FleetboxError} `misuse`: the store is in a read-write share, or it in the store
 */
export function checkShareOutsideStore(store: string, shares: readonly SharedDirectory[]): void {
  const real = (path: string) => {
    try {
      return Deno.realPathSync(path);
    } catch {
      return path;
    }
  };
  const [ours, isIn] = [
    real(store),
    (path: string, dir: string) => `${path}/`.startsWith(`${dir}/`.replace("//", "/")),
  ];
  const bad = shares.find(({ host_path }) => isIn(ours, real(host_path)) || isIn(real(host_path), ours));
  if (!bad) return;
  throw new FleetboxError("misuse", `Cannot share ${shown(bad.host_path)} read-write: the store ${ours} is in it`, {
    hint: "Share a directory without it: the guest could change other members' disks there",
  });
}

function checkHostDirectory(path: string, flag: string): void {
  const failure = (code: "not-found" | "denied" | "misuse", found: string, cause?: unknown) =>
    new FleetboxError(code, `Cannot share the directory ${shown(path)}: ${found}`, {
      cause,
      hint: `Share a directory of this host that you can read: ${flag} HOST_DIR:GUEST_DIR`,
    });
  if (!path.startsWith("/")) throw failure("misuse", "it is not an absolute path");
  let info: Deno.FileInfo;
  try {
    info = Deno.statSync(path);
    if (info.isDirectory) { for (const _ of Deno.readDirSync(path)) break; }
  } catch (cause) {
    if (isNotFound(cause)) throw failure("not-found", "it does not exist", cause);
    throw failure("denied", "it cannot be read", cause);
  }
  if (!info.isDirectory) {
    throw failure("misuse", `it is ${info.isFile ? "a file" : "no directory"}, expected a directory`);
  }
}

/** The facts of a directory that decide its image's size. */
interface Survey {
  entries: number;
  directories: number;
  /** The bytes of names and their records in directories. */
  nameBytes: number;
  /** Blocks of {@link BLOCK} bytes of the files' content, without holes. */
  storedBlocks: number;
  /** The same with holes filled, for file systems that compress. */
  wholeBlocks: number;
}

const BLOCK = 4096;

/**
 * Measures a directory with `find`.
 * @throws {FleetboxError} `denied`: a file in it cannot be read.
 */
export async function survey(path: string): Promise<Survey> {
  // For each entry: its kind, size, 512-byte blocks and name's length. A file that cannot be read is an error.
  const unreadable = ["(", "-type", "f", "-o", "-type", "d", ")", "!", "-readable", "-printf", "?%p\\0", "-quit"];
  let text: string;
  try {
    text = await run(toolPath(host().gnuFind), [
      path,
      "-mindepth",
      "1",
      "(",
      ...unreadable,
      ")",
      "-o",
      "-printf",
      "%y %s %b %f\\0",
    ], {
      env: { LC_ALL: "C" },
      hint: `Install it: ${host().install("findutils")}`,
    });
  } catch (cause) {
    // A file that vanished meanwhile does not matter.
    if (!(cause instanceof ProcessError) || !/Permission denied/.test(cause.stderr)) throw cause;
    throw cannotRead(path, /find: '?(.*?)'?: Permission denied/.exec(cause.stderr)?.[1] ?? "a file in it", cause);
  }
  const found: Survey = { entries: 0, directories: 1, nameBytes: 0, storedBlocks: 0, wholeBlocks: 0 };
  for (const record of text.split("\0")) {
    if (record === "") continue;
    if (record.startsWith("?")) throw cannotRead(path, record.slice(1));
    const [kind, size, blocks] = record.split(" ", 3);
    const name = record.length - kind.length - size.length - blocks.length - 3;
    found.entries++;
    found.nameBytes += 12 + 3 * name; // a character has up to three bytes, or replaces a byte that is not UTF-8
    if (kind === "d") found.directories++;
    if (kind === "l") found.storedBlocks++, found.wholeBlocks++;
    if (kind !== "f") continue;
    const whole = Math.ceil(Number(size) / BLOCK);
    found.wholeBlocks += whole;
    found.storedBlocks += Math.min(whole, Math.ceil(Number(blocks) / 8) + 1);
  }
  return found;
}

function cannotRead(path: string, what: string, cause?: unknown): FleetboxError {
  return new FleetboxError("denied", `Cannot share the directory ${shown(path)}: ${shown(what)} cannot be read`, {
    cause,
    hint: "Make it readable for you, or share a directory without it.",
  });
}

/** The blocks of an image for these facts; `filled` counts holes as content. Pure. */
export function imageBlocks(found: Survey, filled: boolean): number {
  const content = filled ? found.wholeBlocks : found.storedBlocks;
  // Large files have a block of extents for every 340 of them; directories are two thirds full.
  const directories = found.directories + Math.ceil(found.nameBytes * 1.5 / BLOCK);
  const inodes = Math.ceil((found.entries + 64) * 256 / BLOCK);
  return Math.ceil((content * 1.02 + directories + inodes) * 1.05) + 512;
}

/**
 * Makes or replaces the image of a directory as it is now.
 * @throws {FleetboxError} `denied`: it cannot be read whole; `no-space`: the store is full; `unavailable`: no mke2fs.
 */
export async function writeSharedDirectoryImage(path: string, host: string, index: number): Promise<void> {
  const root = await Deno.realPath(host);
  const found = await survey(root);
  try {
    let blocks = imageBlocks(found, false);
    await replaceFile(path, async (aside) => {
      for (let attempt = 0;; attempt++) {
        try {
          await makeImage(aside, root, sharedDirectoryLabel(index), blocks, found.entries + 64);
          return;
        } catch (cause) {
          // The file system in the image is full, not the host's: the estimate was too small.
          const isTight = cause instanceof ProcessError && /Could not allocate (block|inode)/.test(cause.stderr);
          if (!isTight || attempt === 3) throw cause;
          blocks = Math.max(blocks * 2, imageBlocks(found, true));
        }
      }
    });
  } catch (cause) {
    if (isNoSpace(cause)) {
      throw storeError(`Cannot write the image of the shared directory ${shown(host)} (${path})`, cause);
    }
    if (!(cause instanceof ProcessError)) throw cause;
    throw new FleetboxError("failed", `Cannot make an image of the shared directory ${shown(host)}`, { cause });
  }
}

async function makeImage(path: string, root: string, label: string, blocks: number, inodes: number): Promise<void> {
  const { uid, gid, mode, mtime } = await Deno.stat(root);
  const features = "none,dir_index,dir_nlink,ext_attr,extent,extra_isize,filetype,flex_bg,huge_file,large_file," +
    "sparse_super,uninit_bg,64bit";
  const options = { hint: `Install it: ${host().install("e2fsprogs")}`, env: { LC_ALL: "C" } };
  await Deno.remove(path).catch(() => {});
  await run(toolPath("mke2fs"), [
    ...["-q", "-F", "-t", "ext4", "-O", features, "-b", String(BLOCK), "-I", "256", "-m", "0", "-N", String(inodes)],
    ...["-E", "lazy_itable_init=1,nodiscard", "-L", label, "-d", root, path, `${blocks * BLOCK / 1024}K`],
  ], options);
  // mke2fs does not copy the root directory, and adds lost+found.
  const commands = [
    `sif <2> mode 0${((mode ?? 0o755) & 0o7777 | 0o40000).toString(8)}`,
    `sif <2> uid ${uid ?? 0}`,
    `sif <2> gid ${gid ?? 0}`,
    ...(mtime ? [`sif <2> mtime @${Math.floor(mtime.getTime() / 1000)}`] : []),
  ];
  const isTheirs = await Deno.lstat(`${root}/lost+found`).then(() => true, () => false);
  if (!isTheirs) commands.push("rmdir lost+found");
  const list = temporaryOf(path); // beside the image, under a name that is swept if we are killed
  try {
    await Deno.writeTextFile(list, commands.join("\n") + "\n");
    await run(toolPath("debugfs"), ["-w", "-f", list, path], options);
  } finally {
    await Deno.remove(list).catch(() => {});
  }
}

function shown(path: string): string {
  // deno-lint-ignore no-control-regex
  return /[\x00-\x1f\x7f"\\]|^\s|\s$/.test(path) ? JSON.stringify(path) : path;
}
