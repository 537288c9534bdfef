/**
 * Runs the scripts of a member in its guest, each once: at the end of a boot those that its config has, and on a member that runs
 * those that it is given.
 *
 * The config says of each whether it has run to its end (`store/scripts.ts`), so an interrupted one is run again at the next boot. What
 * fails is a problem of a member that runs: it stays, to be looked at.
 */

import { FleetboxError, type WireError } from "../../core/errors.ts";
import type { Script } from "../../core/options.ts";
import { shellQuote } from "../../core/quoting.ts";
import { runScript, type ScriptEnd } from "../../guest/run_script.ts";
import { checkScripts } from "../../guest/scripts.ts";
import { afterRun, type PendingScript, pendingScripts, scriptLog, withScripts } from "../../store/scripts.ts";
import type { MemberConfig } from "../../store.ts";
import { describe, log } from "../log.ts";
import type { Boot } from "../member/boot.ts";
import { advance } from "../member/boot_steps.ts";
import type { MachineRun } from "../member/machine_run.ts";
import type { Member } from "../member/member.ts";

/** How many of its last lines a failure is told with. */
const LAST_LINES = 20;
/** How long a guest that runs may not be reached: no boot's limit ends the tries. */
const REACH_MS = 60_000;
/** What is kept of what scripts say. */
const MAX_LOG_BYTES = 4 * 1024 * 1024;

/** Runs what a boot has to run. @returns the failure of one; the others have not run then */
export async function runAtBoot(boot: Boot, run: MachineRun): Promise<WireError | undefined> {
  const { member, signal, limit } = boot;
  const pending = pendingScripts(member.config!);
  if (pending.length === 0) return undefined;
  advance(boot, "script");
  try {
    // The boot's limit is for a guest that does not answer, not for what it is told to do.
    return await runEach(member, run, pending, { signal, onBegin: () => limit.pause() });
  } finally {
    limit.resume();
  }
}

/** What an earlier holder has not seen the end of, in a guest that runs. */
export function unfinished(config: MemberConfig): WireError | undefined {
  const [script] = pendingScripts(config);
  return script && problem(config.name, script.name, "did not run to its end in it", []);
}

/**
 * Runs scripts in the guest of a member that runs, one caller at a time. A failure is the member's problem then.
 * @returns the names of those that had run before
 * @throws {FleetboxError} `conflict`: it does not run; the signal's reason
 */
export async function runGiven(member: Member, given: Script[], signal: AbortSignal): Promise<string[]> {
  checkScripts(given);
  await member.booting?.catch(() => {});
  const turn = Promise.withResolvers<void>();
  const before = member.scriptTurn;
  member.scriptTurn = turn.promise;
  try {
    await before;
    signal.throwIfAborted();
    return await runNow(member, given, signal);
  } finally {
    turn.resolve();
  }
}

async function runNow(member: Member, given: Script[], signal: AbortSignal): Promise<string[]> {
  const { name, phases } = member;
  const { now } = phases;
  if (now.kind !== "running" || !now.run.ssh) {
    throw new FleetboxError("conflict", `Cannot run ${given[0].name} in "${name}": it is ${member.state}`, {
      hint: `Boot it: fleetbox up ${name}`,
    });
  }
  const { run } = now;
  await change(member, (config) => ({ ...config, scripts: withScripts(config.scripts, given) }));
  const pending = pendingScripts(member.config!);
  const gone = new AbortController();
  run.defer(() => gone.abort(new FleetboxError("conflict", `"${name}" was stopped while a script ran in it`)));
  const either = AbortSignal.any([signal, gone.signal]);
  // An earlier script's failure is over as soon as another one is run in its place.
  if (pending.length > 0) setProblem(member, run, undefined);
  try {
    setProblem(member, run, await runEach(member, run, pending, { signal: either, reachMs: REACH_MS }));
  } catch (thrown) {
    setProblem(member, run, unfinished(member.config!));
    throw thrown;
  }
  return given.filter(({ text }) => !pending.some((one) => one.text === text)).map((one) => one.name);
}

/** A change of a running member's problem, also while it is paused. */
function setProblem({ phases }: Member, run: MachineRun, problem: WireError | undefined): void {
  const { now } = phases;
  if (now.kind === "running" && now.run === run) phases.to({ ...now, problem });
  else if (now.kind === "paused" && now.from.kind === "running" && now.run === run) {
    phases.to({ ...now, from: { ...now.from, problem } });
  }
}

interface RunEachOptions {
  signal: AbortSignal;
  /** @default until the signal fires */
  reachMs?: number;
  onBegin?: () => void;
}

/** One after the other, until one fails. */
async function runEach(
  member: Member,
  run: MachineRun,
  scripts: readonly PendingScript[],
  { signal, reachMs, onBegin }: RunEachOptions,
): Promise<WireError | undefined> {
  if (scripts.length === 0) return undefined;
  const { name, context: { store, onOutput } } = member;
  using said = new ScriptLog(scriptLog(store, name));
  for (const script of scripts) {
    member.tell(`${script.name} runs in it`);
    log(`${name}: runs ${script.name}`);
    said.write(`# ${script.name}, ${new Date().toISOString()}`);
    const last: string[] = [];
    const end = await runScript(run.ssh!, script, {
      key: store.key,
      root: run.guest?.isRoot ?? false,
      signal,
      reachMs,
      onBegin,
      onLine: (line) => {
        last.push(line);
        if (last.length > LAST_LINES) last.shift();
        said.write(line);
        onOutput({ event: "output", name, script: script.name, line });
      },
    });
    if (end.kind === "exited" && end.code === 0) {
      await change(member, (config) => ({ ...config, scripts: afterRun(config.scripts ?? [], [script.digest]) }));
      continue;
    }
    log(`${name}: ${script.name}: ${outcome(end)}`);
    return problem(name, script.name, outcome(end), last);
  }
  return undefined;
}

function outcome(end: ScriptEnd): string {
  switch (end.kind) {
    case "exited":
      return `failed in it with exit code ${end.code}`;
    case "lost":
      return "was cut short: the connection to its guest has ended; did it restart the machine, or end its SSH server?";
    case "unreached":
      return `cannot be run in it: ${end.why}`;
    default:
      return end satisfies never;
  }
}

function problem(name: string, script: string, what: string, last: readonly string[]): WireError {
  return {
    code: "failed",
    message: `"${name}" runs, but ${script} ${what}`,
    causes: last.length === 0 ? [] : [`its last lines:\n${last.join("\n")}`],
    hint:
      `All that it said: fleetbox logs ${name} --run. Mend the script, and run it again: fleetbox up ${name} --run ` +
      shellQuote(script),
  };
}

/** Changes the config of a member, on the disk and here. */
async function change(member: Member, changed: (config: MemberConfig) => MemberConfig): Promise<void> {
  const { name, context: { store } } = member;
  await store.withMemberLock(name, async () => {
    const config = store.config(name);
    if (!config) throw new FleetboxError("conflict", `"${name}" was removed while a script ran in it`);
    const { scripts } = changed(config);
    await store.writeConfig({ ...config, scripts });
    member.config = { ...member.config!, scripts };
  });
}

/** What the scripts of one run say, in a file. That a disk is full ends no script. */
class ScriptLog implements Disposable {
  #file: Deno.FsFile | undefined;
  #bytes = 0;

  constructor(path: string) {
    try {
      this.#file = Deno.openSync(path, { write: true, create: true, truncate: true, mode: 0o600 });
    } catch (thrown) {
      log(`cannot write ${path}: ${describe(thrown)}`);
    }
  }

  write(line: string): void {
    const bytes = new TextEncoder().encode(`${line}\n`);
    if (!this.#file || this.#bytes > MAX_LOG_BYTES) return;
    this.#bytes += bytes.length;
    try {
      this.#file.writeSync(bytes);
    } catch { /* see above */ }
  }

  [Symbol.dispose](): void {
    this.#file?.close();
  }
}
