/** Runs cases of one target, in chunks that can each be repeated, and measures their cost. */

import fc from "fast-check";
import process from "node:process";
import type { Target } from "./targets.ts";

export const CHUNK = 5_000;
/** Processor time instead of the clock's: other programs of the machine do not count. */
const MAX_CASE_MS = 1_000;
const MAX_GROWTH_MIB = 64;

export interface Outcome {
  cases: number;
  seconds: number;
  /** The most expensive case, in milliseconds of processor time. */
  slowestMs: number;
  /** Resident memory above that at the start, after a garbage collection. */
  growthMiB: number;
}

export interface RunOptions {
  seed: number;
  cases: number;
  /** Told after each chunk. */
  onChunk?: (chunk: number) => void;
  /** The one chunk to run. @default all */
  only?: number;
}

const collect = (globalThis as { gc?: () => void }).gc;

function residentMiB(): number {
  collect?.();
  return Deno.memoryUsage().rss / 1024 / 1024;
}

/** @throws what a case did wrong, with how to repeat it. */
export async function run(target: Target, { seed, cases, onChunk, only }: RunOptions): Promise<Outcome> {
  const started = performance.now();
  let slowestMs = 0, done = 0, growthMiB = 0;
  let before: number | undefined;
  const timed = async (value: unknown) => {
    const from = process.cpuUsage();
    await target.check(value);
    const { user, system } = process.cpuUsage(from);
    const took = (user + system) / 1000;
    slowestMs = Math.max(slowestMs, took);
    if (took > MAX_CASE_MS) throw new Error(`it took ${Math.round(took)} ms of processor time`);
  };
  for (let chunk = 0; done < cases; chunk++) {
    const numRuns = Math.min(CHUNK, cases - done);
    done += numRuns;
    if (only !== undefined && only !== chunk) continue;
    try {
      await fc.assert(fc.asyncProperty(target.arbitrary, timed), { numRuns, seed: seed + chunk });
    } catch (thrown) {
      const again = `FUZZ="--only '${target.name}' --seed ${seed} --cases ${cases} --chunk ${chunk}"`;
      throw new Error(
        `${target.name}: ${thrown instanceof Error ? thrown.message : thrown}\nAgain: make fuzz ${again}`,
      );
    }
    const now = residentMiB();
    before ??= now; // the first chunk loads and compiles
    growthMiB = Math.max(growthMiB, now - before);
    if (growthMiB > MAX_GROWTH_MIB) {
      throw new Error(`${target.name}: ${Math.round(growthMiB)} MiB more than at the start`);
    }
    onChunk?.(chunk);
  }
  return { cases: done, seconds: (performance.now() - started) / 1000, slowestMs, growthMiB };
}
