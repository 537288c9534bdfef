/**
 * A guest's files over SFTP (protocol version 3, draft-ietf-secsh-filexfer-02): reading, writing, listing.
 *
 * All use one channel of the shared connection. A file is never held in memory as a whole: at most {@link AT_ONCE}
 * pieces of {@link PIECE_BYTES} are in flight, so that a large file costs little memory and no round trip for each
 * piece.
 */

import { Buffer } from "node:buffer";
import type { SFTPWrapper, Stats } from "./ssh/ssh2.d.ts";
import { readUnlessAborted, settles } from "../core/deadline.ts";
import { FleetboxError, messageOf } from "../core/errors.ts";
import { promised } from "./ssh/connection.ts";
import type { Lanes } from "./ssh/ssh_pool.ts";

/** The size that every server accepts. */
const PIECE_BYTES = 32 * 1024;
const AT_ONCE = 32;
/** How long work may go on after it was aborted: it looks at its signal between two pieces. */
const STUCK_AFTER_MS = 1_000;

/** Codes of SFTP, section 7. */
const NO_SUCH_FILE = 2;
const PERMISSION_DENIED = 3;

type FileKind = "file" | "directory" | "symlink" | "other";

/** The facts about a file. */
export interface FileFacts {
  kind: FileKind;
  /** Permission bits alone. */
  mode: number;
  size: number;
}

export class Files {
  constructor(private readonly lanes: Lanes) {}

  /**
   * Work that nobody waits for any more. The guest's server does one thing after the other: when it is stuck in this one (a pipe without
   * a writer, a share that is gone), others would wait for it, too.
   */
  abandon(work: Promise<unknown>): void {
    this.lanes.suspectFiles(settles(work, STUCK_AFTER_MS));
  }

  /** The facts about the file at a path; undefined when there is none. */
  async stat(path: string, options: { follow: boolean; signal?: AbortSignal }): Promise<FileFacts | undefined> {
    const sftp = await this.lanes.files(options.signal);
    try {
      return facts(
        await answered<Stats>(sftp, (done) => options.follow ? sftp.stat(path, done) : sftp.lstat(path, done)),
      );
    } catch (thrown) {
      if (codeIs(thrown, NO_SUCH_FILE)) return undefined;
      throw this.#failure("look at", path, thrown);
    }
  }

  async list(path: string, signal?: AbortSignal): Promise<{ name: string; facts: FileFacts }[]> {
    const sftp = await this.lanes.files(signal);
    try {
      const entries = await answered<{ filename: string; attrs: Stats }[]>(sftp, (done) => sftp.readdir(path, done));
      return entries.filter(({ filename }) => filename !== "." && filename !== "..").map(({ filename, attrs }) => {
        // A guest must not choose where its files go on this host.
        if (filename.includes("/") || filename.includes("\0")) {
          throw new FleetboxError("protocol", `The guest lists a file of the name ${JSON.stringify(filename)}`);
        }
        return { name: filename, facts: facts(attrs) };
      });
    } catch (thrown) {
      throw this.#failure("list", path, thrown);
    }
  }

  async readLink(path: string): Promise<string> {
    const sftp = await this.lanes.files();
    try {
      return await answered<string>(sftp, (done) => sftp.readlink(path, done));
    } catch (thrown) {
      throw this.#failure("read the link", path, thrown);
    }
  }

  /** Makes or replaces a symbolic link. */
  async link(target: string, path: string): Promise<void> {
    const sftp = await this.lanes.files();
    try {
      const there = await this.stat(path, { follow: false });
      if (there?.kind === "symlink") await answered<void>(sftp, (done) => sftp.unlink(path, done));
      await answered<void>(sftp, (done) => sftp.symlink(target, path, done));
    } catch (thrown) {
      throw this.#failure("make the link", path, thrown);
    }
  }

  /** Makes a directory, if it is missing. Its mode is for the time in which it is filled. */
  async makeDirectory(path: string): Promise<void> {
    const sftp = await this.lanes.files();
    try {
      await answered<void>(sftp, (done) => sftp.mkdir(path, { mode: 0o700 }, done));
    } catch (thrown) {
      // The server's error for an existing one is just "Failure".
      const there = await this.stat(path, { follow: true }).catch(() => undefined);
      if (there?.kind !== "directory") throw this.#failure("make the directory", path, thrown);
    }
  }

  async changeMode(path: string, mode: number): Promise<void> {
    const sftp = await this.lanes.files();
    try {
      await answered<void>(sftp, (done) => sftp.chmod(path, mode, done));
    } catch (thrown) {
      throw this.#failure("change the mode of", path, thrown);
    }
  }

  /**
   * Writes a file, replacing its content. The source gives each piece a buffer of its own.
   * @param exactMode sets the mode of an existing file, too, regardless of the guest's umask.
   */
  async write(
    path: string,
    source: AsyncIterable<Uint8Array>,
    options: { mode: number; exactMode?: boolean; signal?: AbortSignal },
  ): Promise<void> {
    const { mode, signal } = options;
    const sftp = await this.lanes.files(signal);
    let handle: Buffer | undefined;
    try {
      const open = handle = await answered<Buffer>(sftp, (done) => sftp.open(path, "w", { mode: mode | 0o200 }, done));
      await writeAll(sftp, open, source, signal);
      if (options.exactMode) await answered<void>(sftp, (done) => sftp.fchmod(open, mode, done));
    } catch (thrown) {
      throw signal?.aborted ? interrupted("Writing", path, signal) : this.#failure("write", path, thrown);
    } finally {
      if (handle) await close(sftp, handle);
    }
  }

  /** Reads a file in order, from an offset on. */
  async *read(path: string, options: { from?: number; signal?: AbortSignal } = {}): AsyncGenerator<Buffer> {
    const { signal, from = 0 } = options;
    const sftp = await this.lanes.files(signal);
    let handle: Buffer | undefined;
    try {
      const open = handle = await answered<Buffer>(sftp, (done) => sftp.open(path, "r", done));
      const { size } = await answered<Stats>(sftp, (done) => sftp.fstat(open, done));
      yield* readAll(sftp, open, from, size, signal);
    } catch (thrown) {
      throw signal?.aborted ? interrupted("Reading", path, signal) : this.#failure("read", path, thrown);
    } finally {
      if (handle) await close(sftp, handle);
    }
  }

  #failure(what: string, path: string, cause: unknown): FleetboxError {
    if (cause instanceof FleetboxError) return cause;
    const { name } = this.lanes.target;
    const text = `Cannot ${what} ${path} on "${name}"`;
    if (codeIs(cause, NO_SUCH_FILE)) return new FleetboxError("not-found", `${text}: there is no such file`, { cause });
    if (codeIs(cause, PERMISSION_DENIED)) {
      return new FleetboxError("denied", `${text}: permission denied for the guest's user`, {
        cause,
        hint: "Use a path below the user's home or /tmp, and move it with exec() and sudo.",
      });
    }
    return new FleetboxError("failed", `${text}: ${messageOf(cause)}`, { cause });
  }
}

async function writeAll(
  sftp: SFTPWrapper,
  handle: Buffer,
  source: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const underWay = new Set<Promise<void>>();
  const failures: unknown[] = []; // one may come while the source is waited for
  let at = 0;
  try {
    for await (const chunk of source) {
      for (let begin = 0; begin < chunk.length; begin += PIECE_BYTES) {
        signal?.throwIfAborted();
        if (failures.length > 0) throw failures[0];
        const piece = Buffer.from(chunk.buffer, chunk.byteOffset + begin, Math.min(PIECE_BYTES, chunk.length - begin));
        const place = at;
        at += piece.length;
        const written: Promise<void> = answered<void>(
          sftp,
          (done) => sftp.write(handle, piece, 0, piece.length, place, done),
        ).catch((thrown) => void failures.push(thrown)).finally(() => underWay.delete(written));
        underWay.add(written);
        if (underWay.size >= AT_ONCE) await Promise.race(underWay);
      }
    }
  } finally {
    await Promise.all(underWay);
  }
  if (failures.length > 0) throw failures[0];
}

async function* readAll(
  sftp: SFTPWrapper,
  handle: Buffer,
  from: number,
  size: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer> {
  const coming: Promise<Buffer>[] = [];
  let asked = from;
  let given = from;
  const ask = () => {
    const length = Math.min(PIECE_BYTES, size - asked);
    const piece = readPiece(sftp, handle, asked, length);
    piece.catch(() => {});
    coming.push(piece);
    asked += length;
  };
  try {
    for (;;) {
      signal?.throwIfAborted();
      while (coming.length < AT_ONCE && asked < size) ask();
      const piece = await coming.shift();
      if (!piece || piece.length === 0) break;
      given += piece.length;
      yield piece;
    }
    // A file without a size (/proc), or that grew meanwhile: one piece after the other, to its end.
    for (;;) {
      signal?.throwIfAborted();
      const piece = await readPiece(sftp, handle, given, PIECE_BYTES);
      if (piece.length === 0) return;
      given += piece.length;
      yield piece;
    }
  } finally {
    await Promise.allSettled(coming);
  }
}

/** Bytes at an offset; fewer at the end of the file. A server may return fewer than requested at any time. */
async function readPiece(sftp: SFTPWrapper, handle: Buffer, at: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  let filled = 0;
  while (filled < length) {
    const count = await answered<number>(sftp, (done) => {
      sftp.read(handle, buffer, filled, length - filled, at + filled, (error, bytesRead) => {
        if (codeIs(error, 1)) done(null, 0); // end of file
        else done(error, bytesRead);
      });
    });
    if (count === 0) break;
    filled += count;
  }
  return buffer.subarray(0, filled);
}

/** {@link promised}, on a channel for files. One that is closed would never call back. */
async function answered<T>(sftp: SFTPWrapper, start: Parameters<typeof promised<T>>[0]): Promise<T> {
  if (!sftp.readable) throw new Error("the channel for files was closed");
  return await promised(start);
}

async function close(sftp: SFTPWrapper, handle: Buffer): Promise<void> {
  // A broken connection has already closed it.
  await answered<void>(sftp, (done) => sftp.close(handle, done)).catch(() => {});
}

function facts(stats: Stats): FileFacts {
  const kind = stats.isFile()
    ? "file"
    : stats.isDirectory()
    ? "directory"
    : stats.isSymbolicLink()
    ? "symlink"
    : "other";
  return { kind, mode: stats.mode & 0o7777, size: stats.size };
}

function codeIs(thrown: unknown, code: number): boolean {
  return (thrown as { code?: unknown } | undefined)?.code === code;
}

function interrupted(what: string, path: string, signal: AbortSignal): FleetboxError {
  return new FleetboxError("interrupted", `${what} ${path} was interrupted`, { cause: signal.reason });
}

/** What is written, piece by piece; a stream that has nothing to give ends when the signal fires. @throws {FleetboxError} `misuse` */
export async function* piecesOf(
  content: string | Uint8Array | ReadableStream<Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  if (content instanceof ReadableStream) yield* readUnlessAborted(content, signal);
  else if (typeof content === "string") yield new TextEncoder().encode(content);
  else if (content instanceof Uint8Array) yield content;
  else {
    throw new FleetboxError(
      "misuse",
      `Cannot write ${typeof content}: expected a string, a Uint8Array or a ReadableStream`,
    );
  }
}
