/** `fleetbox stop`: shuts members down and returns when they are gone. */

import { Command } from "../arguments/parser.ts";
import { stop } from "../../control.ts";
import { FleetboxError } from "../../core/errors.ts";
import type { Store } from "../../store.ts";
import type { Detail } from "../../wire.ts";
import { parseDurationMs } from "../arguments/duration.ts";
import { throwAll } from "../error_text.ts";
import { Interrupt } from "../terminal/interrupt.ts";
import { namesAndAll, parseNames, whichMembers } from "../arguments/name_arguments.ts";
import { leftAlone, observeAll, observeMember, ofPrograms, orphansOf } from "../../control/observe.ts";
import { say, sayJson } from "../terminal/output.ts";
import { type Progress, progressFor, VERBOSE } from "../terminal/progress.ts";
import { openStore, requireMember } from "../arguments/store_access.ts";
import { resolveHelper } from "../../../helper/resolve.ts";
import { adoptOrphans } from "../../control/adopt.ts";

interface Flags {
  all?: boolean;
  force?: boolean;
  grace?: string;
  json?: boolean;
  verbose?: boolean;
}

export function stopCommand(): Command {
  return new Command("stop")
    .aliases(["down", "halt"])
    .description("shut members down and wait until they are gone; their disks stay")
    .argument("[names...]", "members: a,b,c or a b c")
    .option("--all", "every running member, except those of a running program")
    .option("--force", "do not wait for the guest: end the machine at once")
    .option("--grace <duration>", "how long the guest may take before it is ended (default: 30s)")
    .option("--verbose", VERBOSE)
    .option("--json", "one JSON object per event")
    .addHelpText(
      "after",
      `
The rest of the group runs on. A member that is still booting can be stopped.

Events of --json: {"event":"member","member":{…}} for each change, and at the end
{"event":"stop","stopped":["a"],"not_running":["b"]}.

Examples:
  fleetbox stop a
  fleetbox stop a b --grace 5s
  fleetbox stop --all --force`,
    )
    .action(async (words: string[], flags: Flags) => {
      const graceMs = flags.grace === undefined
        ? undefined
        : parseDurationMs(flags.grace, "--grace", { allowZero: true });
      await stopAction(words, { ...flags, graceMs });
    });
}

async function stopAction(words: string[], flags: Flags & { graceMs?: number }): Promise<void> {
  const store = openStore();
  const { names, spared } = await chosenNames(store, words, flags.all ?? false, "stop");
  const progress = progressFor(names, flags);
  if (spared.length > 0) progress.note(leftAlone(spared));
  using interrupt = new Interrupt(() => void progress.end());
  const result = await stopMembers(store, names, { ...flags, signal: interrupt.signal }, progress);
  progress.end({ keep: true });
  if (flags.json) sayJson({ event: "stop", stopped: result.stopped, not_running: result.notRunning });
  else if (names.length === 0) say("nothing runs");
  if (interrupt.happened) {
    throw new FleetboxError("interrupted", "Interrupted; the members continue to shut down", {
      hint: "List the members: fleetbox ls",
    });
  }
  throwAll(result.failures);
}

/**
 * The names on the command line, or with `--all` every member that is served or whose machine runs; `spared` are
 * members of running programs.
 */
async function chosenNames(
  store: Store,
  words: string[],
  all: boolean,
  verb: string,
): Promise<{ names: string[]; spared: string[] }> {
  if (!all) {
    if (words.length > 0) return { names: parseNames(words), spared: [] };
    throw whichMembers(verb);
  }
  if (words.length > 0) throw namesAndAll(verb, words);
  const { members, groups } = await observeAll(store, 5_000);
  const served = members.filter(({ report, silence }) => report || silence);
  const spared = ofPrograms(served, groups);
  const ours = served.map(({ name }) => name).filter((name) => !spared.includes(name));
  return { names: [...new Set([...ours, ...orphansOf(groups)])], spared };
}

interface StopResult {
  stopped: string[];
  notRunning: string[];
  failures: unknown[];
}

/** Stops members together; a failure of one does not keep others from stopping. */
export async function stopMembers(
  store: Store,
  names: readonly string[],
  options: { force?: boolean; graceMs?: number; verbose?: boolean; signal?: AbortSignal },
  progress: Progress,
): Promise<StopResult> {
  const result: StopResult = { stopped: [], notRunning: [], failures: [] };
  const adopted = await adoptOrphans(store, names, resolveHelper);
  const others = adopted.filter((name) => !names.includes(name));
  if (others.length > 0) progress.note(`their holder was killed; served again: ${others.join(", ")}`);
  await Promise.all(names.map(async (name) => {
    try {
      const member = await requireMember(store, name);
      if (member.report) progress.member({ ...member.report, stage: "stopping" });
      const { force, graceMs, verbose, signal } = options;
      const onDetail = verbose ? (detail: Detail) => progress.detail(detail) : undefined;
      if (await stop(store, name, { force, graceMs, onDetail, signal })) {
        if (signal?.aborted) return;
        if (member.report) progress.member({ ...member.report, running: false, state: "stopped", stage: undefined });
        result.stopped.push(name);
      } else if (!signal?.aborted) {
        if (!member.report && member.silence) throw member.silence;
        progress.notRunning(name);
        result.notRunning.push(name);
      }
    } catch (thrown) {
      if (!options.signal?.aborted) result.failures.push(await explain(store, name, thrown));
    }
  }));
  return result;
}

/** A stop that failed, with the machine's state now. */
async function explain(store: Store, name: string, thrown: unknown): Promise<unknown> {
  if (thrown instanceof FleetboxError && thrown.code === "not-found") return thrown;
  const { report } = await observeMember(store, name);
  const now = report ? `; it is ${report.state} now` : "";
  return new FleetboxError("failed", `Cannot stop "${name}"${now}`, {
    cause: thrown,
    hint: `End its machine at once: fleetbox stop --force ${name}`,
  });
}
