/**
 * The executable: a group's holder when its first argument is `--fleetbox-runner`, else the command line.
 *
 * Everything is imported where it is needed, for a command is as quick as what it loads. This is the one place that
 * prints errors and chooses exit codes (0 done, 1 failed, 2 misused, 3 not found, 4 timed out, 130 interrupted).
 */

import { registerFleetbox, VERSION } from "./src/self.ts";
import { RUNNER_FLAG } from "./src/wire.ts";

async function holder(names: string): Promise<number> {
  const { runHolder } = await import("./src/holder.ts");
  return await runHolder(names);
}

async function commandLine(args: string[]): Promise<number> {
  const { runCommandLine, wantsJson } = await import("./src/cli/program.ts");
  const { outputProblem, warn } = await import("./src/cli/output.ts");
  try {
    await runCommandLine(args);
    const problem = outputProblem();
    if (problem) throw problem;
    return Deno.exitCode;
  } catch (thrown) {
    const { errorJson, errorText, exitCodeOf } = await import("./src/cli/error_text.ts");
    warn(wantsJson(args) ? errorJson(thrown) : errorText(thrown));
    if (Deno.env.get("FLEETBOX_DEBUG")?.split(",").includes("stack")) warn((thrown as Error)?.stack ?? "");
    return exitCodeOf(thrown);
  }
}

if (import.meta.main) {
  registerFleetbox();
  const [first, ...rest] = Deno.args;
  if (first === RUNNER_FLAG) {
    Deno.exit(await holder(rest[0] ?? ""));
  } else if (rest.length === 0 && (first === "version" || first === "--version" || first === "-V")) {
    console.log(`fleetbox ${VERSION}`);
  } else {
    Deno.exit(await commandLine(Deno.args));
  }
}
