/**
 * The program, behind both of its main modules: a group's holder when its first argument is `--fleetbox-runner`, else the
 * command line.
 *
 * Modules are loaded where they are needed ({@link lazyModule}), because loading takes most of a command's time. The
 * three commands that scripts run most, `version`, `ls` and `exec`, do without the argument parser. This is the one place that
 * prints errors and chooses exit codes (0 done, 1 failed, 2 misused, 3 not found, 4 timed out, 130 interrupted).
 */

import { lazyModule } from "./core/lazy_modules.ts";
import { registerFleetbox, versionLine } from "./system/program_info.ts";

/** Runs the program; ends the process. @param root see {@link registerFleetbox} */
export async function start(args: string[], root: string): Promise<void> {
  registerFleetbox(root);
  const [first, ...rest] = args;
  if (
    rest.length === 0 &&
    (first === "version" || first === "--version" || first === "-V")
  ) {
    try {
      return console.log(versionLine());
    } catch { /* the command line says why */ }
  }
  Deno.exit(await holderOrCommandLine(args));
}

async function holderOrCommandLine(args: string[]): Promise<number> {
  const { RUNNER_FLAG } = await lazyModule<typeof import("./wire/constants.ts")>("src/wire/constants.ts");
  if (args[0] !== RUNNER_FLAG) return await commandLine(args);
  const { runHolder } = await lazyModule<typeof import("./holder.ts")>("src/holder.ts");
  return await runHolder(args[1] ?? "");
}

async function commandLine(args: string[]): Promise<number> {
  const { errorWidth, outputProblem, warn } = await lazyModule<typeof import("./cli/terminal/output.ts")>(
    "src/cli/terminal/output.ts",
  );
  try {
    await command(args);
    const problem = outputProblem();
    if (problem) throw problem;
    return Deno.exitCode;
  } catch (thrown) {
    const error = await lazyModule<typeof import("./cli/error_text.ts")>("src/cli/error_text.ts");
    warn(error.wantsJson(args) ? error.errorJson(thrown) : error.errorText(thrown, errorWidth()));
    if (error.wantsStack()) warn((thrown as Error)?.stack ?? "");
    return error.exitCodeOf(thrown);
  }
}

/** The words of a command that runs here; undefined: it has run at a place. */
async function wordsHere(args: string[]): Promise<string[] | undefined> {
  if (args[0] === "__there") {
    const { holdLifeline } = await lazyModule<typeof import("./cli/places/lifeline.ts")>("src/cli/places/lifeline.ts");
    holdLifeline();
    return args.slice(1);
  }
  const { variable } = await lazyModule<typeof import("./core/environment.ts")>("src/core/environment.ts");
  const mayNameOne = args.some((word) => /^--on(=|$)|^[a-z0-9-]+@/.test(word)) || variable("FLEETBOX_PLACE");
  if (!mayNameOne || args[0]?.startsWith("__")) return args;
  const { takePlace } = await lazyModule<typeof import("./cli/places/wish.ts")>("src/cli/places/wish.ts");
  const wish = takePlace(args);
  if (wish.place === undefined) return wish.words;
  const { runThere } = await lazyModule<typeof import("./cli/places/there.ts")>("src/cli/places/there.ts");
  const code = await runThere(wish);
  if (code === undefined) return wish.words;
  Deno.exitCode = code;
}

const LIST_WORDS = ["ls", "ps", "list"];
const LIST_FLAGS = ["-q", "--quiet", "--json"];

async function command(given: string[]): Promise<void> {
  const args = await wordsHere(given);
  if (!args) return;
  const [first, ...flags] = args;
  const { variable } = await lazyModule<typeof import("./core/environment.ts")>("src/core/environment.ts");
  const job = variable("FLEETBOX_JOB");
  if (job !== undefined && !first?.startsWith("__")) {
    const { stayInJob } = await lazyModule<typeof import("./cli/places/engine/job.ts")>("src/cli/places/engine/job.ts");
    await stayInJob(job);
  }
  if (LIST_WORDS.includes(first) && flags.every((flag) => LIST_FLAGS.includes(flag))) {
    const { list } = await lazyModule<typeof import("./cli/listing.ts")>("src/cli/listing.ts");
    return await list({ json: flags.includes("--json"), quiet: flags.some((flag) => /^(-q|--quiet)$/.test(flag)) });
  }
  if (first === "exec") {
    const { exec, isPlain } = await lazyModule<typeof import("./cli/exec.ts")>("src/cli/exec.ts");
    if (isPlain(flags)) return await exec(flags[0], flags.slice(1));
  }
  if (first === "__job") {
    const { runSupervisor } = await lazyModule<typeof import("./cli/places/engine/job.ts")>(
      "src/cli/places/engine/job.ts",
    );
    Deno.exitCode = await runSupervisor();
    return;
  }
  if (first === "__record") {
    const { runRecorder } = await lazyModule<typeof import("./cli/trace/record.ts")>("src/cli/trace/record.ts");
    return await runRecorder(flags);
  }
  if (first === "__library") {
    const { runLibraryAgent } = await lazyModule<typeof import("./library/places/agent.ts")>(
      "src/library/places/agent.ts",
    );
    return await runLibraryAgent();
  }
  if (first === "__complete") {
    const { runComplete } = await lazyModule<typeof import("./cli/completion/complete.ts")>(
      "src/cli/completion/complete.ts",
    );
    return await runComplete(flags);
  }
  const { runCommandLine } = await lazyModule<typeof import("./cli/program.ts")>("src/cli/program.ts");
  await runCommandLine(args);
}
