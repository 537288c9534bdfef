/** Commands inside a real guest. */

import * as assert from "#assert";
import type { Result } from "./command.ts";
import { exists } from "../../src/system/files.ts";
import { type Sandbox, told } from "./sandbox.ts";

/** The `virtiofsd` of Debian 12 and root: what other users need for a share is not on every host. */
export const MAY_SHARE = Deno.uid() === 0 && exists("/usr/lib/qemu/virtiofsd");

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
