/**
 * Forks of one checkpoint at once: no two may have the same random numbers, although each begins with the same memory, and each
 * has the host's time.
 */

import { sandbox } from "../support/sandbox.ts";
import { fork, problemsOfClock, TELL_TIME, withClock } from "./group.ts";

export interface RandomResult {
  forks: number;
  /** Bytes of `/dev/urandom` of each, read as soon as it runs. */
  bytes: number;
  /** How many of these were different. */
  different: number;
  /** The clock that was the farthest off, in milliseconds. */
  clockMs: number;
  seconds: number;
}

const BYTES = 32;
/** So many forks run at the same time. */
const AT_ONCE = 10;

/** @throws {Error} two have the same numbers, or a clock is wrong */
export async function randomNumbers(
  { count, say }: { count: number; say?: (line: string) => void },
): Promise<RandomResult> {
  const began = performance.now();
  await using box = await sandbox({ limitMs: 300_000, env: { FLEETBOX_ACCEL: "tcg" } });
  await box.up("a");
  await box.ok("checkpoint", "a", "--as", "one");
  const seen = new Map<string, string>();
  let clockMs = 0;
  for (let first = 0; first < count; first += AT_ONCE) {
    const names = Array.from({ length: Math.min(AT_ONCE, count - first) }, (_, index) => `f${first + index}`);
    await Promise.all(names.map(async (name) => {
      const [member] = await fork(box, ["a"], "one", name);
      const line = `head -c ${BYTES} /dev/urandom | od -An -v -tx1 | tr -d ' \\n'; echo; ${TELL_TIME}`;
      const { text, clock } = await withClock(box, member, line);
      const [random] = text.split("\n");
      if (!new RegExp(`^[0-9a-f]{${2 * BYTES}}$`).test(random)) throw new Error(`${member} says ${random}`);
      const twin = seen.get(random);
      if (twin !== undefined) throw new Error(`${member} and ${twin} have the same random numbers: ${random}`);
      seen.set(random, member);
      for (const problem of problemsOfClock(member, clock)) throw new Error(problem);
      clockMs = Math.max(clockMs, clock.ms);
    }));
    await box.ok("rm", "--force", ...names.map((name) => `${name}-a`));
    say?.(`${seen.size} forks have different random numbers`);
  }
  await box.ok("checkpoint", "rm", "one");
  const seconds = Math.round((performance.now() - began) / 1000);
  return { forks: count, bytes: BYTES, different: seen.size, clockMs, seconds };
}
