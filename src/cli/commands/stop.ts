/** `fleetbox stop`: shuts members down and returns when they are gone. */

import { Command } from "../arguments/parser.ts";
import { stop } from "../../control.ts";
import { codeOf, FleetboxError } from "../../core/errors.ts";
import type { Store } from "../../store.ts";
import { type Loss, LOSS_MODES, type LossMode } from "../../core/power_cut.ts";
import { newSeed } from "../../core/random.ts";
import type { Detail, PowerCutEvent } from "../../wire.ts";
import { parseDurationMs } from "../arguments/duration.ts";
import { throwAll } from "../error_text.ts";
import { Interrupt } from "../terminal/interrupt.ts";
import { wholeNumber } from "../arguments/member_options.ts";
import { namesAndAll, parseNames, whichMembers } from "../arguments/name_arguments.ts";
import {
  leftAlone,
  type MemberFacts,
  observeAll,
  observeMember,
  ofPrograms,
  orphansOf,
} from "../../control/observe.ts";
import { say, sayJson } from "../terminal/output.ts";
import { type Progress, progressFor, VERBOSE } from "../terminal/progress.ts";
import { openStore } from "../arguments/open_store.ts";
import { requireMember } from "../arguments/store_access.ts";
import { resolveHelper } from "../../../helper/resolve.ts";
import { adoptOrphans } from "../../control/adopt.ts";

/** How often a holder that does not answer is asked. */
const SILENT_TRIES = 4;

interface Flags {
  all?: boolean;
  force?: boolean;
  grace?: string;
  loseUnflushed?: string;
  seed?: string;
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
    .option(
      "--lose-unflushed <none|all|random|torn>",
      "cut the power: what becomes of the writes that the guest has not flushed (default: none is lost)",
    )
    .option("--seed <number>", "which of them survive: the same seed, the same ones (default: any)")
    .option("--verbose", VERBOSE)
    .option("--json", "one JSON object per event")
    .addHelpText(
      "after",
      `
The rest of the group runs on. A member that is still booting can be stopped.

--lose-unflushed needs a member that was started with --log-writes. All that its guest has
flushed survives. Of the later writes all are lost; or a random half of them; or torn: the
same, and the last one that survives may end in its middle. It says how many were lost.

Events of --json: {"event":"member","member":{…}} for each change, and at the end
{"event":"stop","stopped":["a"],"not_running":["b"]}; with --lose-unflushed also
"power_cuts":[{"name":"a","mode":"all","seed":7,"unflushed":30,"lost":12}].

Examples:
  fleetbox stop a
  fleetbox stop a b --grace 5s
  fleetbox stop --all --force
  fleetbox stop a --force --lose-unflushed random --seed 7`,
    )
    .action(async (words: string[], flags: Flags) => {
      await stopAction(words, { ...flags, graceMs: graceOf(flags), loss: lossOf(flags) });
    });
}

/** How long guests may take, in milliseconds. @throws {FleetboxError} `misuse` */
export function graceOf({ grace, force }: { grace?: string; force?: boolean }): number | undefined {
  if (grace === undefined) return undefined;
  if (force) throw new FleetboxError("misuse", "With --force a guest gets no time: --force or --grace, not both");
  return parseDurationMs(grace, "--grace", { allowZero: true });
}

/** @throws {FleetboxError} `misuse` */
function lossOf({ loseUnflushed: mode, seed, grace }: Flags): Loss | undefined {
  const isSeeded = mode === "random" || mode === "torn";
  if (seed !== undefined && !isSeeded) {
    throw new FleetboxError("misuse", "--seed is for --lose-unflushed random or torn");
  }
  if (mode === undefined || mode === "none") return undefined;
  if (grace !== undefined) {
    throw new FleetboxError("misuse", "A guest whose power is cut gets no time: --grace or --lose-unflushed, not both");
  }
  if (!LOSS_MODES.some((one) => one === mode)) {
    const found = JSON.stringify(mode);
    throw new FleetboxError(
      "misuse",
      `Bad value for --lose-unflushed: found ${found}, expected none, ${LOSS_MODES.slice(0, -1).join(", ")} or torn`,
    );
  }
  return { mode: mode as LossMode, seed: seed === undefined ? newSeed() : wholeNumber("--seed", seed, 0, 2 ** 32) };
}

async function stopAction(words: string[], flags: Flags & { graceMs?: number; loss?: Loss }): Promise<void> {
  const store = openStore();
  const { names, spared } = await chosenNames(store, words, flags.all ?? false, "stop");
  const progress = progressFor(names, flags);
  if (spared.length > 0) progress.note(leftAlone(spared));
  using interrupt = new Interrupt(() => void progress.end());
  const result = await stopMembers(store, names, { ...flags, signal: interrupt.signal }, progress);
  progress.end({ keep: true });
  const cuts = result.powerCuts;
  if (flags.json) {
    const more = flags.loss ? { power_cuts: cuts.map(({ event: _, ...cut }) => cut) } : {};
    sayJson({ event: "stop", stopped: result.stopped, not_running: result.notRunning, ...more });
  } else if (names.length === 0) say("nothing runs");
  else for (const cut of cuts) say(cutText(cut));
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
export async function chosenNames(
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

/** `a: 12 of 30 unflushed writes lost, seed 7` */
export function cutText({ name, mode, seed, unflushed, lost, torn }: PowerCutEvent): string {
  if (unflushed === 0) return `${name}: all writes were flushed, so none was lost`;
  return [
    `${name}: ${lost} of ${unflushed} unflushed writes lost`,
    ...(torn ? [`one torn after ${torn.sectors} of ${torn.of} sectors`] : []),
    ...(mode === "all" ? [] : [`seed ${seed}`]),
  ].join(", ");
}

interface StopResult {
  powerCuts: PowerCutEvent[];
  stopped: string[];
  notRunning: string[];
  failures: unknown[];
}

/** Stops members together; a failure of one does not keep others from stopping. */
export async function stopMembers(
  store: Store,
  names: readonly string[],
  options: { force?: boolean; graceMs?: number; loss?: Loss; verbose?: boolean; signal?: AbortSignal },
  progress: Progress,
): Promise<StopResult> {
  const result: StopResult = { stopped: [], notRunning: [], failures: [], powerCuts: [] };
  const adopted = await adoptOrphans(store, names, resolveHelper);
  const others = adopted.filter((name) => !names.includes(name));
  if (others.length > 0) progress.note(`their holder was killed; served again: ${others.join(", ")}`);
  await Promise.all(names.map(async (name) => {
    try {
      const member = await lookPatiently(store, name, () => progress.note(`the holder of ${name} does not answer yet`));
      if (member.report) progress.member({ ...member.report, stage: "stopping" });
      const { force, graceMs, loss, verbose, signal } = options;
      const onPowerCut = (event: PowerCutEvent) => void result.powerCuts.push(event);
      const onDetail = verbose ? (detail: Detail) => progress.detail(detail) : undefined;
      if (await stop(store, name, { force, graceMs, loss, onPowerCut, onDetail, signal })) {
        if (signal?.aborted) return;
        if (member.report) progress.member({ ...member.report, running: false, state: "stopped", stage: undefined });
        result.stopped.push(name);
      } else if (!signal?.aborted) {
        if (!member.report && member.silence) throw member.silence;
        progress.notRunning(name);
        result.notRunning.push(name);
      }
    } catch (thrown) {
      if (options.signal?.aborted) return;
      result.failures.push(options.loss ? thrown : await explain(store, name, thrown));
    }
  }));
  return result;
}

/**
 * A member, whose holder may be slow on a busy host.
 * @throws {FleetboxError} `timeout`: it does not answer: to a stop it would not, either
 */
async function lookPatiently(store: Store, name: string, onSilence: () => void): Promise<MemberFacts> {
  for (let tries = 1;; tries++) {
    const member = await requireMember(store, name);
    if (codeOf(member.silence) !== "timeout") return member;
    if (tries === SILENT_TRIES) throw member.silence;
    if (tries === 1) onSilence();
  }
}

/** A stop that failed, with the machine's state now. */
async function explain(store: Store, name: string, thrown: unknown): Promise<unknown> {
  // Of one that another host has, this one can end nothing.
  if (thrown instanceof FleetboxError && ["not-found", "conflict", "timeout"].includes(thrown.code)) return thrown;
  const { report } = await observeMember(store, name);
  const now = report ? `; it is ${report.state} now` : "";
  return new FleetboxError("failed", `Cannot stop "${name}"${now}`, {
    cause: thrown,
    hint: `End its machine at once: fleetbox stop --force ${name}`,
  });
}
