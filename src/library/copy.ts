/**
 * Copying between this host and a guest: files and directories, with their modes, streamed.
 *
 * Symbolic links in a directory are copied as links; a link given as the source is followed. Sockets, devices and pipes
 * are refused. A guest is not trusted: its links are made last, and those that an earlier copy has made are replaced, so that no file can be
 * written through them.
 */

import { basename, join, posix } from "../system/path.ts";
import { writeAll } from "../core/bytes.ts";
import { FleetboxError, isNotFound } from "../core/errors.ts";
import type { FileFacts, Files } from "./files.ts";
import { Slots } from "./ssh/semaphore.ts";

/** How many small files are copied at once, because each costs round trips. */
const FILES_AT_ONCE = 6;

/** Copies into the guest. */
export async function copyTo(files: Files, from: string, to: string, signal?: AbortSignal): Promise<void> {
  const info = await look(from);
  const there = to.endsWith("/") || !info.isDirectory ? await files.stat(to, { follow: true, signal }) : undefined;
  const isInto = to.endsWith("/") || there?.kind === "directory";
  const target = isInto ? posix.join(to, basename(from)) : to;
  if (to.endsWith("/") && !there) await files.makeDirectory(to.replace(/\/+$/, "") || "/");
  const slots = new Slots(FILES_AT_ONCE);

  const copy = async (source: string, place: string, info: Deno.FileInfo): Promise<void> => {
    signal?.throwIfAborted();
    const mode = (info.mode ?? 0o644) & 0o7777;
    if (info.isSymlink) return await files.link(await Deno.readLink(source), place);
    if (info.isDirectory) {
      await files.makeDirectory(place);
      const entries = await Array.fromAsync(Deno.readDir(source));
      await all(entries.map(async ({ name }) => {
        const inner = join(source, name);
        await copy(inner, posix.join(place, name), await Deno.lstat(inner));
      }));
      return await files.changeMode(place, mode);
    }
    if (!info.isFile) throw refused(source);
    const free = await slots.take(signal);
    try {
      await files.write(place, piecesOf(source), { mode, exactMode: true, signal });
    } finally {
      free();
    }
  };
  await told(() => copy(from, target, info), signal, `Copying ${from} into the guest`);
}

/** Copies out of the guest. */
export async function copyFrom(files: Files, from: string, to: string, signal?: AbortSignal): Promise<void> {
  const root = await files.stat(from, { follow: true, signal });
  if (!root) throw new FleetboxError("not-found", `There is no ${from} in the guest`);
  const there = to.endsWith("/") || root.kind !== "directory" ? await Deno.stat(to).catch(() => undefined) : undefined;
  const isInto = to.endsWith("/") || there?.isDirectory === true;
  const target = isInto ? join(to, posix.basename(from)) : to;
  if (to.endsWith("/") && !there) await Deno.mkdir(to, { recursive: true });
  const slots = new Slots(FILES_AT_ONCE);
  const links: { path: string; target: string }[] = [];

  const copy = async (source: string, place: string, { kind, mode }: FileFacts): Promise<void> => {
    signal?.throwIfAborted();
    if (kind === "symlink") return void links.push({ path: place, target: await files.readLink(source) });
    if (place !== target) await removeLink(place);
    if (kind === "directory") {
      await Deno.mkdir(place, { mode: 0o700 }).catch((thrown) => {
        if (!(thrown instanceof Deno.errors.AlreadyExists) || !Deno.statSync(place).isDirectory) throw thrown;
      });
      const entries = await files.list(source, signal);
      await all(entries.map(({ name, facts }) => copy(posix.join(source, name), join(place, name), facts)));
      return await Deno.chmod(place, mode & 0o1777); // a guest's set-user-id bits are not for this host
    }
    if (kind !== "file") throw refused(source);
    const free = await slots.take(signal);
    try {
      using file = await Deno.open(place, { write: true, create: true, truncate: true, mode: 0o600 });
      for await (const chunk of files.read(source, { signal })) {
        await writeAll(file, chunk);
      }
    } finally {
      free();
    }
    await Deno.chmod(place, mode & 0o1777);
  };
  await told(
    async () => {
      await copy(from, target, root);
      for (const { path, target } of links) {
        await removeLink(path);
        await Deno.symlink(target, path);
      }
    },
    signal,
    `Copying ${from} out of the guest`,
  );
}

async function removeLink(path: string): Promise<void> {
  if ((await Deno.lstat(path).catch(() => undefined))?.isSymlink) await Deno.remove(path);
}

async function* piecesOf(path: string): AsyncGenerator<Uint8Array> {
  using file = await Deno.open(path);
  for (;;) {
    const buffer = new Uint8Array(256 * 1024);
    const count = await file.read(buffer);
    if (count === null) return;
    yield buffer.subarray(0, count);
  }
}

/** Waits for all, also when one fails; then throws the first failure. */
async function all(work: Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(work)).find((one) => one.status === "rejected");
  if (failed) throw failed.reason;
}

async function look(path: string): Promise<Deno.FileInfo> {
  try {
    return await Deno.stat(path);
  } catch (cause) {
    if (!isNotFound(cause)) throw new FleetboxError("denied", `Cannot read ${path}`, { cause });
    throw new FleetboxError("not-found", `There is no ${path} on this host`, { cause });
  }
}

function refused(path: string): FleetboxError {
  return new FleetboxError(
    "misuse",
    `Cannot copy ${path}: expected a file, a directory or a link, found something else`,
  );
}

async function told(work: () => Promise<void>, signal: AbortSignal | undefined, what: string): Promise<void> {
  try {
    await work();
  } catch (cause) {
    if (signal?.aborted) throw new FleetboxError("interrupted", `${what} was interrupted`, { cause: signal.reason });
    if (cause instanceof FleetboxError) throw cause;
    throw new FleetboxError("failed", `${what} failed`, { cause });
  }
}
