/**
 * A file system of a guest that is nearly full: with files that have no name, so that nothing of them is left, whatever ends the
 * program that has them open: a crash, a restart, a power cut.
 *
 * The program keeps them open under numbers of ours, by which they are found again.
 */

import { FleetboxError } from "../../core/errors.ts";
import { AT_FDCWD, type Call, errorWords, path } from "../call_table.ts";
import type { Architecture } from "../../vmm/contract.ts";
import type { GuestCalls } from "./guest_calls.ts";

/** `fcntl.h`: they differ in O_DIRECTORY, which is a part of O_TMPFILE. */
const O_TMPFILE: Record<Architecture, number> = { x86_64: 0o20200000, aarch64: 0o20040000 };
const O_RDWR = 2, O_CLOEXEC = 0o2000000;
/** `unistd.h` */
const SEEK_END = 2;
/** `errno.h` */
const ENOSPC = -28, EOPNOTSUPP = -95, EISDIR = -21, ENOENT = -2, ENOTDIR = -20, EINVAL = -22;

/** `asm-generic/statfs.h` */
const STATFS_BYTES = 120;

/** Where the files are open: the program itself has only small numbers. */
const FIRST_FILE = 100;
/** How many files there are at most. */
export const MAX_FILES = 64;
/** A share that is missed by less is reached: a file system has needs of its own. */
const NEAR = 0.005;
/** What one call can take, which knows 32 bits. */
const MAX_BYTES = 0xf000_0000;
/** How often what is still free is taken: a file system needs some for itself, which is not known beforehand. */
const ROUNDS = MAX_FILES;

/** How full a file system is, as df(1) has it. */
export interface Space {
  /** Which one it is. */
  id: string;
  /** Bytes that are used. */
  used: number;
  /** Bytes that are used, and those that a user may still use. */
  total: number;
  /** The size of a block. */
  block: number;
}

/** @throws {FleetboxError} `not-found`: there is no such path; `failed` */
export async function readSpace(guest: GuestCalls, of: string): Promise<Space> {
  const statfs = new Uint8Array(STATFS_BYTES);
  const ask: Call = { name: "statfs", args: [path(of), statfs] };
  const results = await guest.call([ask], [statfs]);
  const failed = results.of(ask);
  if (failed < 0) {
    const code = failed === ENOENT ? "not-found" : "failed";
    throw new FleetboxError(code, `Cannot tell how full ${of} is in the guest: ${errorWords(failed)}`);
  }
  const view = viewOf(results.back(statfs));
  const [block, blocks, free, available] = [8, 16, 24, 32].map((at) => Number(view.getBigInt64(at, true)));
  if (blocks === 0) throw refused(of, EOPNOTSUPP); // /proc, say
  return { id: idIn(view), used: (blocks - free) * block, total: (blocks - free + available) * block, block };
}

function viewOf({ buffer, byteOffset }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset);
}

/** Which file system a `struct statfs` is about. */
function idIn(statfs: DataView): string {
  return statfs.getBigUint64(56, true).toString(16);
}

/** How many bytes must be used in addition, until the share is. */
export function missingTo(share: number, { used, total, block }: Space): number {
  return Math.floor((share * total - used) / block) * block;
}

/**
 * Uses a file system up to a share, under the first of these numbers that are free.
 * @param numbers of files, from 0
 * @returns the numbers that it has used, the bytes, and which file system it is
 * @throws {FleetboxError} `conflict`: that file system has no files without a name. Then nothing is used.
 */
export async function fill(
  guest: GuestCalls,
  arch: Architecture,
  { at, share, numbers }: { at: string; share: number; numbers: readonly number[] },
): Promise<{ taken: number[]; bytes: number; id: string }> {
  const before = await readSpace(guest, at);
  const taken: number[] = [];
  let most = MAX_BYTES;
  try {
    for (let round = 0; round < ROUNDS && taken.length < numbers.length; round++) {
      const space = await readSpace(guest, at);
      const missing = Math.min(missingTo(share, space), Math.floor(most / space.block) * space.block);
      if (missing <= 0) break;
      const number = numbers[taken.length];
      taken.push(number);
      const result = await take(guest, arch, at, number, missing);
      if (result === ENOSPC) most = missing / 2; // it needs some for itself
      else if (result < 0) throw refused(at, result);
    }
  } catch (thrown) {
    await free(guest, taken).catch(() => {});
    throw thrown;
  }
  const after = await readSpace(guest, at);
  if (missingTo(share - NEAR, after) <= 0) return { taken, bytes: after.used - before.used, id: after.id };
  await free(guest, taken);
  throw new FleetboxError(
    "failed",
    `Cannot fill ${at} of the guest: it stays at ${Math.floor((100 * after.used) / after.total)}%`,
  );
}

/** Opens a file under a number, and makes it so long. @returns a negative number: why not */
async function take(guest: GuestCalls, arch: Architecture, at: string, number: number, bytes: number): Promise<number> {
  const file = FIRST_FILE + number;
  const next = await guest.nextNumber();
  const end: Call = { name: "getpid", args: [] };
  const keep: Call = { name: "dup3", args: [next, file, O_CLOEXEC] };
  const open: Call = {
    name: "openat",
    args: [AT_FDCWD, path(at), O_TMPFILE[arch] | O_RDWR | O_CLOEXEC, 0o600],
    atLeast: 0,
    otherwise: end,
  };
  const grow: Call = { name: "fallocate", args: [file, 0, 0, bytes] };
  const results = await guest.call([open, keep, { name: "close", args: [next] }, grow, end]);
  return results.of(open) < 0 ? results.of(open) : results.of(grow);
}

/** A file that uses a file system up. */
interface Filler {
  /** As {@link fill} has it. */
  number: number;
  bytes: number;
  /** Its file system's. */
  id: string;
}

/**
 * Looks for the files that an earlier holder has used, for these shares or for others. They stay where one of these is meant, so that
 * no program of the guest finds room in the meantime; but not where it is fuller than these make it.
 * @returns those that stay, each with its file system and the largest share of that
 * @throws {FleetboxError} as {@link readSpace}. Then none stays.
 */
export async function keep<Wish extends { at: string; share: number }>(
  guest: GuestCalls,
  wishes: readonly Wish[],
): Promise<(Filler & { wish: Wish })[]> {
  const files = await fillers(guest);
  const largest = new Map<string, { wish: Wish; isFuller: boolean }>();
  try {
    for (const wish of wishes.toSorted((a, b) => a.share - b.share)) {
      const space = await readSpace(guest, wish.at);
      largest.set(space.id, { wish, isFuller: missingTo(wish.share + NEAR, space) < 0 });
    }
  } catch (thrown) {
    await free(guest, files.map(({ number }) => number)).catch(() => {});
    throw thrown;
  }
  const stays = ({ id }: Filler) => largest.get(id)?.isFuller === false;
  await free(guest, files.filter((file) => !stays(file)).map(({ number }) => number));
  return files.filter(stays).map((file) => ({ ...file, wish: largest.get(file.id)!.wish }));
}

async function fillers(guest: GuestCalls): Promise<Filler[]> {
  const seeks = Array.from({ length: MAX_FILES }, (_, number): Call => ({
    name: "lseek",
    args: [FIRST_FILE + number, 0, SEEK_END],
  }));
  const found = await guest.call(seeks);
  // A length of 32 bits may look negative; an error is one of the last 4095.
  const lengths = seeks.map(found.of).map((length) => length < 0 && length > -4096 ? undefined : length >>> 0);
  const there = lengths.flatMap((bytes, number) => bytes === undefined ? [] : [{ number, bytes }]);
  if (there.length === 0) return [];
  const stats = there.map(() => new Uint8Array(STATFS_BYTES));
  const asks = there.map(({ number }, index): Call => ({ name: "fstatfs", args: [FIRST_FILE + number, stats[index]] }));
  const told = await guest.call(asks, stats);
  return there.map((file, index) => ({ ...file, id: idIn(viewOf(told.back(stats[index]))) }));
}

/** Closes files. @param numbers as {@link fill} has them */
export async function free(guest: GuestCalls, numbers: readonly number[]): Promise<void> {
  if (numbers.length === 0) return;
  await guest.call(numbers.map((number): Call => ({ name: "close", args: [FIRST_FILE + number] })));
}

function refused(at: string, result: number): FleetboxError {
  if (result === ENOTDIR) return new FleetboxError("misuse", `Cannot fill ${at}: it is no directory of the guest`);
  if (![EOPNOTSUPP, EISDIR, EINVAL, ENOENT].includes(result)) {
    return new FleetboxError("failed", `Cannot fill ${at} of the guest: ${errorWords(result)}`);
  }
  return new FleetboxError(
    "conflict",
    `Cannot fill ${at}: its file system has no files without a name (${errorWords(result)})`,
    {
      hint: "Name a directory on a disk of the guest, of ext4, xfs or btrfs",
    },
  );
}
