/**
 * The clock of a guest, moved and made faster or slower by its own kernel, so that everything in it lives by that.
 *
 * What it was before is known by CLOCK_MONOTONIC_RAW, which nothing moves: the difference of the two clocks at the first
 * fault is noted in a file in the guest, where a later holder finds it, and which is gone after a restart, as the faults are. So a
 * clock that was off before is as much off afterwards. Without a rate, the clock is put where it belongs each time; while
 * one is on, it is moved by the differences alone.
 */

import { FleetboxError } from "../../core/errors.ts";
import { AT_FDCWD, type Call, errorWords, path, timespecMs } from "../call_table.ts";
import type { GuestCalls } from "./guest_calls.ts";
import { askedTimex, changedTimex, fasterBy, isTempo, type Tempo, tempoOf } from "./timex.ts";

/** `linux/time.h` */
const CLOCK_REALTIME = 0;
const CLOCK_MONOTONIC_RAW = 4;

/** What the guest's clock was before its faults, and by how much they have moved it. */
const NOTE = "/run/fleetbox-clock";

const NOTE_BYTES = 512;

/** `errno.h` */
const EINVAL = -22;

/** How often the two clocks are read: the closest pair counts. */
const LOOKS = 5;
/** A clock that is off by less is where it belongs. */
const NEAR_US = 100;

/** What a clock's faults make of it, all together. */
export interface ClockWish {
  /** How far it is moved, in milliseconds. */
  movedMs: number;
  /** So many times as fast. */
  rate: number;
}

interface Note {
  /** CLOCK_REALTIME minus CLOCK_MONOTONIC_RAW, in microseconds. */
  baseUs: number;
  tempo: Tempo;
  movedUs: number;
}

/** Makes the clock be as these want it; undefined: as it was before. @throws {FleetboxError} `failed`: it cannot be */
export async function changeClock(guest: GuestCalls, wish: ClockWish | undefined): Promise<void> {
  const { differenceUs, tempo, noted } = await look(guest);
  if (!noted && !wish) return;
  const before: Note = noted ?? { baseUs: differenceUs, tempo, movedUs: 0 };
  if (!noted) await guest.write(NOTE, noteText(before));
  const movedUs = Math.round((wish?.movedMs ?? 0) * 1_000);
  const hasRate = wish !== undefined && wish.rate !== 1;
  const stepUs = hasRate ? movedUs - before.movedUs : before.baseUs + movedUs - differenceUs;
  const end: Call = { name: "getpid", args: [] };
  const change: Call = {
    name: "adjtimex",
    args: [changedTimex({
      stepUs: Math.abs(stepUs) < NEAR_US ? undefined : stepUs,
      tempo: fasterBy(wish?.rate ?? 1, before.tempo),
    })],
    atLeast: 0,
    otherwise: end, // and the note stays as it was
  };
  const note = wish ? await guest.writing(NOTE, noteText({ ...before, movedUs })) : forgetNote();
  const failed = (await guest.call([change, ...note, end])).of(change);
  if (failed >= 0) return;
  if (!noted) await guest.call(forgetNote());
  throw new FleetboxError("failed", `Cannot change the clock of the guest: ${errorWords(failed)}`, {
    hint: failed === EINVAL ? "A clock cannot be set to a time before 1970, or before the guest's start." : undefined,
  });
}

/** What a clock shows, and how exact that is, in milliseconds. */
export interface ClockReading {
  offsetMs: number;
  errorMs: number;
}

/** How far the guest's clock is ahead of this host's. @param looks each costs an emulated guest some 7 ms of its processor; the closest counts */
export async function readOffset(guest: GuestCalls, looks = LOOKS): Promise<ClockReading> {
  const time = new Uint8Array(16);
  const look: Call = { name: "clock_gettime", args: [CLOCK_REALTIME, time] };
  let best: ClockReading | undefined;
  for (let count = 0; count < looks; count++) {
    const [sentMs, sentAt] = [Date.now(), performance.now()];
    const guestMs = timespecMs((await guest.call([look], [time])).back(time));
    const tookMs = performance.now() - sentAt;
    // The host's clock is read in whole milliseconds.
    const reading = { offsetMs: guestMs - (sentMs + 0.5 + tookMs / 2), errorMs: tookMs / 2 + 0.5 };
    if (!best || reading.errorMs < best.errorMs) best = reading;
  }
  return best!;
}

/** How the clock is, and what was noted of it. */
async function look(guest: GuestCalls): Promise<{ differenceUs: number; tempo: Tempo; noted: Note | undefined }> {
  const note = await guest.reading(NOTE, NOTE_BYTES);
  const timex = askedTimex();
  const ask: Call = { name: "adjtimex", args: [timex] };
  const looks = Array.from(
    { length: LOOKS },
    () =>
      [CLOCK_REALTIME, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME].map((clock) => ({
        clock,
        time: new Uint8Array(16),
      })),
  );
  const times = looks.flat().map(({ clock, time }): Call => ({ name: "clock_gettime", args: [clock, time] }));
  const pieces = [note.back, timex, ...looks.flat().map(({ time }) => time)];
  const results = await guest.call([...note.calls, ask, ...times], pieces);
  const failed = [ask, ...times].map(results.of).find((result) => result < 0);
  const tempo = tempoOf(results.back(timex));
  if (failed !== undefined || !tempo) {
    throw new FleetboxError(
      "failed",
      `Cannot read the clock of the guest: ${failed ? errorWords(failed) : "it has no tempo"}`,
    );
  }
  const pairs = looks.map((three) => {
    const [before, raw, after] = three.map(({ time }) => timespecUs(results.back(time)));
    return { took: after - before, differenceUs: (before + after) / 2 - raw };
  });
  const [{ differenceUs }] = pairs.toSorted((a, b) => a.took - b.took);
  return { differenceUs, tempo, noted: noteIn(note.content(results)) };
}

function timespecUs(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return Number(view.getBigInt64(0, true)) * 1e6 + Number(view.getBigInt64(8, true)) / 1e3;
}

function noteText(note: Note): string {
  return JSON.stringify(note);
}

/** What was noted; undefined when nothing was, or something else than a note. */
function noteIn(text: string | number): Note | undefined {
  if (typeof text === "number") return undefined;
  try {
    const { baseUs, movedUs, tempo: { tick, frequency } } = JSON.parse(text);
    const isNote = [baseUs, movedUs, tick, frequency].every(Number.isFinite) && isTempo({ tick, frequency });
    return isNote ? { baseUs, movedUs, tempo: { tick, frequency } } : undefined;
  } catch {
    return undefined;
  }
}

function forgetNote(): Call[] {
  return [{ name: "unlinkat", args: [AT_FDCWD, path(NOTE), 0] }];
}
