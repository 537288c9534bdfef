/** The flags of scripts and campaigns: Node's `parseArgs`, which stands in for `@std/cli` (decision 0014). */

import { parseArgs } from "node:util";

export { parseArgs };

/** The flags. For wrong ones it prints the reason in one line on standard error, and exits with code 2. */
export function flagsOr<Result>(usage: string, parse: () => Result): Result {
  try {
    return parse();
  } catch (thrown) {
    console.error(`${thrown instanceof Error ? thrown.message.split("\n")[0] : thrown}\n${usage}`);
    Deno.exit(2);
  }
}
