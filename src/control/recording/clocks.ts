/**
 * The clocks of a trace's members: how far each is ahead of the host's. Where fleetbox's agent is in the guest it is read again and
 * again; else, after a fault of the clock, over SSH.
 */

import { pause } from "../../core/deadline.ts";
import { codeOf } from "../../core/errors.ts";
import type { Store } from "../../store.ts";
import { readClock } from "../faults.ts";
import type { Happening } from "./event_file.ts";

/** How often a clock is read where that costs a guest little: some 10 ms of an emulated processor. */
const EVERY_MS = 10_000;
/** A clock that is as it was is not told again before this time. */
const TELL_MS = 60_000;
/** What a reading may differ from the one before by chance, besides its own error. */
const CHANCE_MS = 5;

export class ClockReader {
  readonly #followed = new Set<string>();
  readonly #told = new Map<string, { atMs: number; offsetMs: number }>();

  constructor(
    private readonly store: Store,
    private readonly add: (happening: Happening) => void,
    private readonly signal: AbortSignal,
  ) {}

  /** Reads the clock of a member that runs. @returns whether it can be read so */
  async look(name: string, { cheap }: { cheap: boolean }): Promise<boolean> {
    try {
      const { offset_ms, error_ms } = await readClock(this.store, name, { cheap, signal: this.signal });
      if (!this.signal.aborted) this.#tell(name, offset_ms, error_ms);
      return true;
    } catch (thrown) {
      return codeOf(thrown) !== "unavailable"; // else it is paused, or stops just now
    }
  }

  #tell(name: string, offsetMs: number, errorMs: number): void {
    const told = this.#told.get(name), nowMs = performance.now();
    const isSame = told && Math.abs(told.offsetMs - offsetMs) <= CHANCE_MS + errorMs;
    if (isSame && nowMs - told.atMs < TELL_MS) return;
    this.#told.set(name, { atMs: nowMs, offsetMs });
    this.add({ event: "clock", name, offset_ms: offsetMs, error_ms: errorMs });
  }

  /** Reads it from now on, where that needs no login, while the member runs. */
  async follow(name: string, isRunning: () => boolean): Promise<void> {
    if (this.#followed.has(name)) return;
    this.#followed.add(name);
    while (!this.signal.aborted && isRunning() && await this.look(name, { cheap: true })) {
      await pause(EVERY_MS, this.signal);
    }
    this.#followed.delete(name);
  }
}
