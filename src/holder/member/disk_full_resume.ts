/**
 * Sets a machine going again that stands because its disk's file system was full.
 *
 * No event tells of free space on Linux, so while a machine stands, and only then, the file system is looked at twice a
 * second: one call, no process. It is tried once in any case, for room may have been made before the first look; then
 * when there is clearly more of it than before, or plenty; and every half minute, for file systems that do not tell the
 * truth. A write that fails again stops the machine again, and the next try waits longer each time. Nothing is lost
 * meanwhile: the write waits in the hypervisor.
 */

import { describe, log } from "../log.ts";

const LOOK_MS = 500;
/** More free than when it stopped by so much: somebody made room. */
const MORE_BYTES = 1024 * 1024;
/** Room enough, whatever there was when it stopped. */
const PLENTY_BYTES = 64 * 1024 * 1024;
/** How long it stands at most before it is tried without any sign of room. */
const ANYWAY_MS = 30_000;
/** A machine that ran so long after a try has not failed again. */
const RAN_MS = 10_000;
/** After so many tries in a row the wait grows no more: 16 s. */
const MAX_DOUBLINGS = 5;

export interface ResumerOptions {
  /** A directory on the file system. */
  dir: string;
  /** For messages. */
  name: string;
  /** Lets the machine go on. */
  resume: () => Promise<void>;
  /** Bytes that are free, for us. @default by statfs(2) */
  free?: (dir: string) => Promise<number>;
  /** @default 500 */
  lookMs?: number;
}

export class Resumer {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isWatching = false;
  #resumedAt = -Infinity;
  #failures = 0;

  constructor(private readonly options: ResumerOptions) {}

  /** The machine stands: look for room from now on. Twice is fine. */
  begin(): void {
    if (this.#isWatching) return;
    this.#isWatching = true;
    this.#failures = performance.now() - this.#resumedAt < RAN_MS ? this.#failures + 1 : 0;
    void this.#watch();
  }

  /** It does not stand any more, or nobody wants it to go on. */
  end(): void {
    this.#isWatching = false;
    clearTimeout(this.#timer);
  }

  async #watch(): Promise<void> {
    const { dir, name, resume, free = freeBytes, lookMs = LOOK_MS } = this.options;
    const since = performance.now();
    let wait = lookMs * 2 ** Math.min(this.#failures, MAX_DOUBLINGS);
    try {
      const before = await free(dir);
      while (this.#isWatching) {
        await new Promise<void>((later) => this.#timer = setTimeout(later, wait));
        if (!this.#isWatching) return;
        wait = lookMs;
        const now = await free(dir);
        const hasMore = now >= before + MORE_BYTES || now >= PLENTY_BYTES;
        const isDue = this.#failures === 0 || performance.now() - since >= ANYWAY_MS;
        if (!hasMore && !isDue) continue;
        if (!this.#isWatching) return;
        if (hasMore) log(`${name}: there is room again (${Math.floor(now / 1024 / 1024)} MiB): going on`);
        this.#resumedAt = performance.now();
        this.#isWatching = false;
        return await resume();
      }
    } catch (thrown) {
      this.#isWatching = false;
      log(`${name}: cannot let it go on: ${describe(thrown)}`);
    }
  }
}

/** Loaded when a disk is full for the first time: most holders never need it. */
async function freeBytes(dir: string): Promise<number> {
  const { statfs } = await import("node:fs/promises");
  const { bavail, bsize } = await statfs(dir);
  return bavail * bsize;
}
