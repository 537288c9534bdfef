/** The clocks of a trace's members: how far each is ahead of the host's, when it begins to run, after what may have moved it, and now and then. */

import { pause } from "../../core/deadline.ts";
import type { Store } from "../../store.ts";
import { readClock } from "../faults.ts";
import type { Happening } from "./event_file.ts";

/** How often a clock is read where that costs a guest next to nothing: where fleetbox's agent is in it. */
const EVERY_MS = 5_000;
/** A clock that is as it was is not told again before this time. */
const TELL_MS = 60_000;
/** What a reading may differ from the one before by chance, besides its own error. */
const CHANCE_MS = 5;
/** An answer of the agent takes less; a login over SSH takes more, and leaves its traces in the guest. */
const CHEAP_MS = 250;

export class ClockReader {
  readonly #followed = new Set<string>();
  readonly #told = new Map<string, { atMs: number; offsetMs: number }>();

  constructor(
    private readonly store: Store,
    private readonly add: (happening: Happening) => void,
    private readonly signal: AbortSignal,
  ) {}

  /** Reads the clock of a member that runs, which something may have moved. @returns whether that is cheap */
  async look(name: string): Promise<boolean> {
    const began = performance.now();
    try {
      const { offset_ms, error_ms } = await readClock(this.store, name, this.signal);
      if (!this.signal.aborted) this.#tell(name, offset_ms, error_ms);
      return performance.now() - began < CHEAP_MS;
    } catch {
      return false; // it is paused, or stops just now
    }
  }

  #tell(name: string, offsetMs: number, errorMs: number): void {
    const told = this.#told.get(name), nowMs = performance.now();
    const isSame = told && Math.abs(told.offsetMs - offsetMs) <= CHANCE_MS + errorMs;
    if (isSame && nowMs - told.atMs < TELL_MS) return;
    this.#told.set(name, { atMs: nowMs, offsetMs });
    this.add({ event: "clock", name, offset_ms: offsetMs, error_ms: errorMs });
  }

  /** Reads it from now on, while that is cheap. */
  async follow(name: string): Promise<void> {
    if (this.#followed.has(name)) return;
    this.#followed.add(name);
    while (!this.signal.aborted && await this.look(name)) await pause(EVERY_MS, this.signal);
    this.#followed.delete(name);
  }
}
