/** Commands inside a real guest. */

import * as assert from "#assert";
import type { Result } from "./command.ts";
import { type Sandbox, told } from "./sandbox.ts";

/** A line for the guest's shell, by `fleetbox ssh`. */
export function guest(box: Sandbox, name: string, line: string): Promise<Result> {
  const result = box.run("ssh", name, "--", line);
  result.catch(() => {}); // a caller that awaits it gets the error; a test that failed meanwhile shows its own failure
  return result;
}

/** The standard output of a line that must succeed. */
export async function guestOk(box: Sandbox, name: string, line: string): Promise<string> {
  const result = await guest(box, name, line);
  assert.equal(result.code, 0, told(result));
  return result.stdout;
}
