/**
 * How fleetbox starts itself again: the program and the arguments that come before `--fleetbox-runner`.
 *
 * Compiled, that is the executable alone (`Deno.execPath()`); from source, the same Deno with the main module of this
 * very checkout, whatever the client's own main module is. Also the program's version. Whether a compiled executable is
 * fleetbox at all, or somebody's program that uses the library, is known only to its main module: it registers itself.
 */

import type { Executable } from "./control.ts";

export const VERSION = "0.1.0";

let registered = false;

/** Said by `start.ts` and `helper/main.ts` when they are the program's main module. */
export function registerFleetbox(): void {
  registered = true;
}

/** Whether the program that runs is fleetbox or its helper: spawned again, it can become a holder. */
export function isFleetbox(): boolean {
  return registered;
}

export function selfExecutable(): Executable {
  const program = Deno.execPath();
  if (Deno.build.standalone) return { program, args: [] };
  const root = import.meta.dirname!.slice(0, -"/src".length);
  // A holder lives for days and allocates little: memory counts for more than the last milliseconds of its start.
  const frugal = ["--no-code-cache", "--v8-flags=--max-semi-space-size=1"];
  const quiet = ["-A", "--no-prompt", "--quiet"];
  return { program, args: ["run", ...frugal, ...quiet, `--config=${root}/deno.json`, `${root}/source.ts`] };
}

/** The same Deno with fleetbox's main module; undefined when compiled, or when that module is not on this disk. */
export function sourceExecutable(): Executable | undefined {
  if (Deno.build.standalone || !import.meta.url.startsWith("file:")) return undefined;
  const self = selfExecutable();
  try {
    return Deno.statSync(self.args.at(-1)!).isFile ? self : undefined;
  } catch {
    return undefined;
  }
}
