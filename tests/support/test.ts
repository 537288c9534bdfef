/** A test of the whole program. */

import { IS_COMPILED } from "./command.ts";
import { within } from "./processes.ts";
import { stackOf } from "./uncaught.ts";

type Run = (context: Deno.TestContext) => Promise<void>;

interface TestOptions {
  ignore?: boolean;
  /** When a test that has not ended fails. @default 480000 */
  limitMs?: number;
}

/** No test takes this long, even on a slow machine; a suite is ended after more than twice of it. */
const LIMIT_MS = 480_000;

/** What ends the sandboxes that are open, in the order in which they were opened. */
const ends = new Set<() => Promise<string>>();

/** Has a sandbox ended with a test that hangs; `end` returns how it was. @returns what takes that back, once it has ended */
export function endedWithTest(end: () => Promise<string>): () => void {
  ends.add(end);
  return () => ends.delete(end);
}

/**
 * A test. When it fails and its sandbox also finds something left behind, both are reported. One that hangs fails: its sandboxes
 * are ended, so that it neither holds up the tests behind it nor leaves anything.
 */
export function test(name: string, run: Run, { limitMs = LIMIT_MS, ...options }: TestOptions = {}): void {
  Deno.test({
    name,
    ...options,
    async fn(context) {
      try {
        await limited(run(context), limitMs);
      } catch (thrown) {
        if (thrown instanceof SuppressedError) throw new Error(stackOf(thrown));
        throw thrown;
      }
    },
  });
}

async function limited(running: Promise<void>, limitMs: number): Promise<void> {
  let isOver = false;
  const text = () => (isOver = true, `it had not ended after ${limitMs / 1000} s`);
  try {
    await within(running, limitMs, text);
  } catch (thrown) {
    if (!isOver) throw thrown;
    const results = await Promise.allSettled([...ends].toReversed().map((end) => end()));
    const told = results.map((result) => result.status === "rejected" ? stackOf(result.reason) : result.value);
    throw new Error([text(), ...told].join("\n"));
  }
}

/**
 * A test of what a holder, a guardian or a command decides once it runs: the same code in the compiled executable, with which it
 * is not run again.
 */
test.source = (name: string, run: Run, options: TestOptions = {}): void => {
  if (!IS_COMPILED) test(name, run, options);
};

/** Steps of one test, for what boots real machines: each goes on with those of the one before. The first failure ends it. */
export async function steps<T>(
  context: Deno.TestContext,
  on: T,
  all: [string, (on: T) => Promise<void>][],
): Promise<void> {
  for (const [name, run] of all) if (!await context.step(name, () => run(on))) return;
}
