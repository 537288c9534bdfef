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
/** How long the sandboxes of one that hangs may take to end: their end may hang for the same reason. */
const END_MS = 60_000;

/** What a test has opened. */
export interface Opened {
  /** What runs in it: of a test that hangs this is all that there is to learn why. */
  look(): string;
  end(): Promise<void>;
}

/** In the order in which they were opened. */
const opened = new Set<Opened>();

/** Has it ended with a test that hangs. @returns what takes that back, once it has ended */
export function endedWithTest(one: Opened): () => void {
  opened.add(one);
  return () => opened.delete(one);
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
    const told = [text(), ...[...opened].map((one) => one.look())];
    const late = () => `its sandbox had not ended after ${END_MS / 1000} s`;
    await Promise.all(
      [...opened].toReversed().map((one) =>
        within(one.end(), END_MS, late).catch((thrown) => told.push(`at its end: ${stackOf(thrown)}`))
      ),
    );
    throw new Error(told.join("\n"));
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
