/**
 * Memory of a guest that is taken away from it: pages that a program there holds locked, so that they are neither written out
 * nor given back. The program itself is the last that the kernel would kill for want of memory.
 *
 * The pages are at addresses of ours, one behind the other, where a later holder finds them in the program's own map.
 */

import { FleetboxError } from "../../core/errors.ts";
import { type Call, errorWords } from "../call_table.ts";
import type { GuestCalls } from "./guest_calls.ts";

/** `asm-generic/mman-common.h`, `asm-generic/mman.h` */
const PROT_READ_WRITE = 3;
const MAP_PRIVATE_FIXED_ANONYMOUS = 0x2 | 0x10 | 0x20;
const MAP_LOCKED = 0x2000, MAP_POPULATE = 0x8000;

/** Where the pages are. A call knows addresses of 32 bits, and the program itself is below. */
const BEGIN = 0x1000_0000, END = 0xe000_0000;
const MIB = 1024 * 1024;
/** What is taken away at once: filling it takes an emulated guest some tenths of a second. */
const PIECE_MIB = 64;
/** How often what is still too much is taken. */
const ROUNDS = 200;

const OOM_SCORE = "/proc/self/oom_score_adj";

/** The most that can be taken away, in MiB. */
export const MOST_MIB = (END - BEGIN) / MIB;

/** What is left for the guest's programs, and what was taken away, in MiB. */
export interface Memory {
  availableMiB: number;
  takenMiB: number;
}

export async function readMemory(guest: GuestCalls): Promise<Memory> {
  const [meminfo, maps] = await guest.read({ "/proc/meminfo": 256, "/proc/self/maps": 2_048 });
  const kib = /^MemAvailable: *(\d+) kB$/m.exec(meminfo)?.[1];
  if (kib === undefined) {
    throw new FleetboxError("failed", "Cannot tell the memory of the guest: its /proc/meminfo has no MemAvailable");
  }
  return { availableMiB: Number(kib) / 1024, takenMiB: takenIn(maps) };
}

/** How much of our addresses is taken, in MiB. */
function takenIn(maps: string): number {
  let end = BEGIN;
  for (const [, from, to] of maps.matchAll(/^([0-9a-f]+)-([0-9a-f]+) /gm)) {
    const [first, last] = [parseInt(from, 16), parseInt(to, 16)];
    if (first >= BEGIN && last <= END) end = Math.max(end, last);
  }
  return (end - BEGIN) / MIB;
}

/**
 * Takes memory away until so much is left, or gives back what is too much. Undefined: gives back all.
 * @throws {FleetboxError} `failed`: it cannot be; then it is as it was before
 */
export async function squeeze(guest: GuestCalls, availableMiB: number | undefined): Promise<Memory> {
  const before = await readMemory(guest);
  if (availableMiB === undefined) {
    await give(guest, 0, before.takenMiB);
    await guest.write(OOM_SCORE, "0");
    return await readMemory(guest);
  }
  await guest.write(OOM_SCORE, "-1000");
  const tooMuch = Math.min(before.takenMiB, Math.floor(availableMiB - before.availableMiB));
  if (tooMuch > 0) await give(guest, before.takenMiB - tooMuch, before.takenMiB);
  try {
    let now = await readMemory(guest);
    for (let round = 0; round < ROUNDS && now.availableMiB > availableMiB; round++) {
      const piece = Math.min(PIECE_MIB, Math.max(1, Math.floor(now.availableMiB - availableMiB)));
      if (now.takenMiB + piece > MOST_MIB) throw tooLarge(availableMiB, now);
      await take(guest, now.takenMiB, piece);
      now = await readMemory(guest);
    }
    if (now.availableMiB <= availableMiB) return now;
    throw new FleetboxError(
      "failed",
      `Cannot take memory: the guest still has ${Math.ceil(now.availableMiB)} MiB available`,
    );
  } catch (thrown) {
    await give(guest, before.takenMiB, MOST_MIB).catch(() => {});
    if (before.takenMiB === 0) await guest.write(OOM_SCORE, "0").catch(() => {});
    throw thrown;
  }
}

async function take(guest: GuestCalls, fromMiB: number, mib: number): Promise<void> {
  const at = BEGIN + fromMiB * MIB;
  const flags = MAP_PRIVATE_FIXED_ANONYMOUS | MAP_LOCKED | MAP_POPULATE;
  const map: Call = { name: "mmap", args: [at, mib * MIB, PROT_READ_WRITE, flags] };
  const result = (await guest.call([map])).of(map);
  // An address of 32 bits may look negative; an error is one of the last 4095.
  if (result < 0 && result > -4096) throw new FleetboxError("failed", `Cannot take memory: ${errorWords(result)}`);
}

/** Gives back what is between these, in MiB. */
async function give(guest: GuestCalls, fromMiB: number, toMiB: number): Promise<void> {
  if (toMiB <= fromMiB) return;
  await guest.call([{ name: "munmap", args: [BEGIN + fromMiB * MIB, (toMiB - fromMiB) * MIB] }]);
}

function tooLarge(availableMiB: number, now: Memory): FleetboxError {
  return new FleetboxError(
    "failed",
    `Cannot leave ${availableMiB} MiB to the guest: at most ${MOST_MIB} MiB can be taken away, and then it has ` +
      `${Math.floor(now.availableMiB)} MiB left`,
    { hint: "Start it with less memory: fleetbox up NAME --memory 2G" },
  );
}
