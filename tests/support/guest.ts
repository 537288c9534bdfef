/** Commands inside a real guest. */

import * as assert from "#assert";
import type { Result } from "./command.ts";
import { type Sandbox, told } from "./sandbox.ts";

/** A line for the guest's shell, by `fleetbox ssh`. */
export function guest(box: Sandbox, name: string, line: string): Promise<Result> {
  return box.run("ssh", name, "--", line);
}

/** The standard output of a line that must succeed. */
export async function guestOk(box: Sandbox, name: string, line: string): Promise<string> {
  const result = await guest(box, name, line);
  assert.equal(result.code, 0, told(result));
  return result.stdout;
}
