/**
 * How fleetbox starts itself again: the program and the arguments that come before `--fleetbox-runner`.
 *
 * Compiled, that is the executable alone (`Deno.execPath()`); from source, the same Deno with the main module of this
 * very checkout, whatever the client's own main module is. Also the program's version.
 */

import type { Executable } from "./control.ts";

export const VERSION = "0.1.0";

export function selfExecutable(): Executable {
  const program = Deno.execPath();
  if (Deno.build.standalone) return { program, args: [] };
  const root = import.meta.dirname!.slice(0, -"/src".length);
  // A holder lives for days and allocates little: memory counts for more than the last milliseconds of its start.
  const frugal = ["--no-code-cache", "--v8-flags=--max-semi-space-size=1"];
  const quiet = ["-A", "--no-prompt", "--quiet"];
  return { program, args: ["run", ...frugal, ...quiet, `--config=${root}/deno.json`, `${root}/main.ts`] };
}
