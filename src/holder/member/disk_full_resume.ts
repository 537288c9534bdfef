/**
 * Resumes a machine that is paused because the host's file system is full.
 *
 * Linux has no event for free space, so while a machine is paused, and only then, the file system is checked twice a
 * second: one system call, no process. The machine is resumed once in any case, because space may have been freed
 * before the first check; then when there is clearly more space than before, or plenty; and every half minute, for file
 * systems that report wrong numbers. A write that fails again pauses the machine again, and the next try waits longer
 * each time. Nothing is lost meanwhile: the write waits in the hypervisor.
 */

import { pause } from "../../core/deadline.ts";
import { freeBytes } from "../../system/room/free_bytes.ts";
import { describe, log } from "../log.ts";

const LOOK_MS = 500;
/** This much more than at the pause counts as freed space. */
const MORE_BYTES = 1024 * 1024;
/** Enough space in any case. */
const PLENTY_BYTES = 64 * 1024 * 1024;
/** The longest pause before a try without any sign of space. */
const ANYWAY_MS = 30_000;
/** A machine that ran this long after a try has not failed again. */
const RAN_MS = 10_000;
/** After this many tries in a row the wait stops growing: 16 s. */
const MAX_DOUBLINGS = 5;

interface ResumerOptions {
  /** A directory on the file system. */
  dir: string;
  /** For messages. */
  name: string;
  /** Resumes the machine. */
  resume: () => Promise<void>;
  /** The free bytes, for this user. @default as `df` says */
  free?: (dir: string) => Promise<number>;
  /** @default 500 */
  lookMs?: number;
}

export class Resumer {
  /** Of the present watch; a watch that was ended acts on nothing. */
  #watching: AbortController | undefined;
  #resumedAt = -Infinity;
  #failures = 0;

  constructor(private readonly options: ResumerOptions) {}

  /** The machine is paused: check for space from now on. Calling it twice is fine. */
  begin(): void {
    if (this.#watching) return;
    this.#watching = new AbortController();
    this.#failures = performance.now() - this.#resumedAt < RAN_MS ? this.#failures + 1 : 0;
    void this.#watch(this.#watching.signal);
  }

  /** The machine is no longer paused, or must not be resumed. */
  end(): void {
    this.#watching?.abort();
    this.#watching = undefined;
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { dir, name, resume, free = freeBytes, lookMs = LOOK_MS } = this.options;
    const since = performance.now();
    let wait = lookMs * 2 ** Math.min(this.#failures, MAX_DOUBLINGS);
    try {
      const before = await free(dir);
      while (!signal.aborted) {
        await pause(wait, signal);
        if (signal.aborted) return;
        wait = lookMs;
        const now = await free(dir);
        const hasMore = now >= before + MORE_BYTES || now >= PLENTY_BYTES;
        const isDue = this.#failures === 0 || performance.now() - since >= ANYWAY_MS;
        if (!hasMore && !isDue) continue;
        if (signal.aborted) return;
        if (hasMore) log(`${name}: there is space again (${Math.floor(now / 1024 / 1024)} MiB): resuming`);
        this.#resumedAt = performance.now();
        this.end();
        return await resume();
      }
    } catch (thrown) {
      if (!signal.aborted) this.end();
      log(`${name}: cannot resume it: ${describe(thrown)}`);
    }
  }
}
