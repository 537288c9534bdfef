/**
 * The archive of a sync, made as it is sent: files are read piece by piece. A file that cannot be read is left out; one that
 * changes while it is read is in the archive, which cannot be taken back, but not in the script that puts files into place.
 */

import { Buffer } from "node:buffer";
import { join } from "../../system/path.ts";
import { fromByteText, toBytes } from "./byte_text.ts";
import { APPLY, applyScript, FILES, PIECE_UNIT, PIECES, type Pieces } from "./guest_script.ts";
import { type HostTree, type Problem, reason } from "./host_tree.ts";
import type { SyncPlan } from "./plan.ts";
import { padding, tarEnd, tarHeader } from "./tar.ts";

const CHUNK = 256 * 1024;
/** The most that one piece of a file with holes has, in {@link PIECE_UNIT}. */
const MAX_UNITS = 8;

/** What was sent, when the archive has ended. */
export interface Sent {
  /** Files and links. */
  paths: string[];
  /** Bytes of files. */
  bytes: number;
  problems: Problem[];
  /** Files that changed while they were read: they are to be sent again. */
  changing: string[];
}

/** The archive. @param root the directory on this host @param sent is filled */
export async function* archive(
  root: string,
  tree: HostTree,
  plan: SyncPlan,
  sent: Sent,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const placed: string[] = [];
  const sparse: Pieces[] = [];
  const now = Math.floor(Date.now() / 1000);
  for (const path of plan.send) {
    const { kind, target, mode, isSparse } = tree.entries.get(path)!;
    if (kind === "link") {
      yield tarHeader({ name: FILES + path, kind: "link", mode: 0o777, size: 0, mtime: now, target });
      placed.push(path);
      sent.paths.push(path);
      continue;
    }
    let file: Deno.FsFile;
    try {
      file = openRegular(join(root, fromByteText(path)));
    } catch (thrown) {
      sent.problems.push({ path, why: reason(thrown) });
      continue;
    }
    try {
      const { size, mtime } = file.statSync();
      const seconds = Math.floor((mtime?.getTime() ?? 0) / 1000);
      if (isSparse) {
        const pieces: Pieces = { path, size, mode, mtime: seconds, pieces: [] };
        yield* inPieces(file, size, pieces, sparse.length, sent);
        if (isUnchanged(file, size, mtime)) sparse.push(pieces);
        else sent.changing.push(path);
      } else {
        yield tarHeader({ name: FILES + path, kind: "file", mode, size, mtime: seconds });
        const failed = yield* content(file, size);
        yield padding(size);
        sent.bytes += size;
        if (failed) sent.problems.push({ path, why: reason(failed.thrown) });
        else if (isUnchanged(file, size, mtime)) placed.push(path);
        else sent.changing.push(path);
        if (failed) continue;
      }
      if (sent.changing.at(-1) !== path) sent.paths.push(path);
    } finally {
      file.close();
    }
  }
  const script = toBytes(applyScript(plan, placed, sparse));
  yield tarHeader({ name: APPLY, kind: "file", mode: 0o600, size: script.length, mtime: now });
  yield script;
  yield padding(script.length);
  yield tarEnd();
}

/** Opens a file, but nothing that has taken its place: a pipe would make this wait. */
function openRegular(path: string): Deno.FsFile {
  if (!Deno.lstatSync(path).isFile) throw new Error("it is no file any more");
  return Deno.openSync(path);
}

function isUnchanged(file: Deno.FsFile, size: number, mtime: Date | null): boolean {
  const now = file.statSync();
  return now.size === size && now.mtime?.getTime() === mtime?.getTime();
}

/** So many bytes: zeros where the file has become shorter, or cannot be read, which is returned. */
async function* content(
  file: Deno.FsFile,
  size: number,
): AsyncGenerator<Uint8Array<ArrayBuffer>, { thrown: unknown } | undefined> {
  let failed: { thrown: unknown } | undefined;
  for (let left = size; left > 0;) {
    const buffer = new Uint8Array(Math.min(CHUNK, left));
    const count = failed ? null : await file.read(buffer).catch((thrown) => {
      failed = { thrown };
      return null;
    });
    const bytes = count === null ? buffer.fill(0) : buffer.subarray(0, count);
    left -= bytes.length;
    yield bytes;
  }
  return failed;
}

/** The parts of a file that are not zeros, each as a file of its own. */
async function* inPieces(
  file: Deno.FsFile,
  size: number,
  into: Pieces,
  index: number,
  sent: Sent,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let run: Uint8Array<ArrayBuffer>[] = [];
  const flush = function* (end: number) {
    if (run.length === 0) return;
    const length = run.reduce((sum, { length }) => sum + length, 0);
    const name = `${index}.${into.pieces.length}`;
    into.pieces.push({ name, unit: end - run.length });
    sent.bytes += length;
    yield tarHeader({ name: PIECES + name, kind: "file", mode: 0o600, size: length, mtime: 0 });
    yield* run;
    yield padding(length);
    run = [];
  };
  const units = Math.ceil(size / PIECE_UNIT);
  let bytes = new Uint8Array(PIECE_UNIT);
  for (let unit = 0; unit < units; unit++) {
    const length = Math.min(PIECE_UNIT, size - unit * PIECE_UNIT);
    await fill(file, bytes.subarray(0, length));
    const isHole = HOLE.subarray(0, length).equals(bytes.subarray(0, length));
    if (!isHole) {
      run.push(bytes.subarray(0, length));
      bytes = new Uint8Array(PIECE_UNIT);
    }
    if (isHole || run.length === MAX_UNITS) yield* flush(isHole ? unit : unit + 1);
  }
  yield* flush(units);
}

const HOLE = Buffer.alloc(PIECE_UNIT);

/** Fills it with what comes next; a file that has become shorter changed, which is noticed at its end. */
async function fill(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    const count = await file.read(bytes.subarray(at));
    if (count === null) return;
    at += count;
  }
}
