/** A test of the whole program. */

import { IS_COMPILED } from "./command.ts";
import { stackOf } from "./uncaught.ts";

type Run = (context: Deno.TestContext) => Promise<void>;

/** A test. When it fails and its sandbox also finds something left behind, both are reported. */
export function test(name: string, run: Run, options: { ignore?: boolean } = {}): void {
  Deno.test({
    name,
    ...options,
    async fn(context) {
      try {
        await run(context);
      } catch (thrown) {
        if (thrown instanceof SuppressedError) throw new Error(stackOf(thrown));
        throw thrown;
      }
    },
  });
}

/**
 * A test of what a holder, a guardian or a command decides once it runs: the same code in the compiled executable, with which it
 * is not run again.
 */
test.source = (name: string, run: Run, options: { ignore?: boolean } = {}): void => {
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
