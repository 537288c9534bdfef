/** The common part of `up`, `join`, `fork` and `restore`: flags, progress, interrupts, the result. */

import { atPlace } from "./places/current.ts";
import { resolveHelper } from "../../helper/resolve.ts";
import { forward, getReport } from "../control.ts";
import { observeMembers } from "../control/observe.ts";
import { jobMachine } from "../control/places/engine/job_machine.ts";
import { requireCheckpoint } from "../control/snapshots/checkpoint.ts";
import { isOn } from "../core/environment.ts";
import { fromWireError } from "../core/errors.ts";
import { DEFAULTS, type Options, optionsOf } from "../core/options.ts";
import type { Store } from "../store.ts";
import type { MemberReport } from "../wire.ts";
import { BringUp, type BringUpRequest } from "../control/bring_up.ts";
import { noteAccelerator } from "./accelerator_note.ts";
import { Interrupt } from "./terminal/interrupt.ts";
import {
  addMemberFlags,
  askedOptions,
  checkPublished,
  FLAG_WORDING,
  type MemberFlags,
} from "./arguments/member_options.ts";
import type { Command } from "./arguments/parser.ts";
import { forwardLine, publicPorts } from "./member_view.ts";
import { say, sayJson, terminalWidth, warn } from "./terminal/output.ts";
import { phaseOf, progressFor, VERBOSE } from "./terminal/progress.ts";
import { openStore } from "./arguments/open_store.ts";

/** The flags of all of them, as commander gives them. */
interface WaitFlags {
  json?: boolean;
  verbose?: boolean;
  wait: boolean;
}

/** The flags that `up` and `join` share. */
export interface UpFlags extends MemberFlags, WaitFlags {}

export function addUpFlags(command: Command): Command {
  return addWaitFlags(addMemberFlags(command));
}

export function addWaitFlags(command: Command): Command {
  return command
    .option("--no-wait", "return while the members boot")
    .option("--verbose", VERBOSE)
    .option("--json", "one JSON object per event");
}

interface UpRequest extends Pick<BringUpRequest, "names" | "context" | "plan" | "startHolder"> {
  flags: UpFlags;
  /** Those of single members are in `members`. */
  options: Options;
  /** The options that a user gave. @default those of the flags */
  asked?: Options;
  /** The limit for the boots, in milliseconds. @default that of one boot */
  timeoutMs?: number;
  /** The last event of --json, without its members. @default `up` */
  event?: { event: string } & Record<string, string>;
}

export async function bringMembersUp(request: UpRequest): Promise<void> {
  const { names, flags, options, event = { event: "up" } } = request;
  const store = openStore();
  if (isOn("FLEETBOX_NEEDS")) return await tellNeeds(store, request);
  const progress = progressFor(names, flags);
  checkPublished(names, options);
  using interrupt: Interrupt = new Interrupt(() => {
    progress.end();
    return stillRunning(bringUp.started);
  });
  const bringUp: BringUp = new BringUp(store, {
    ...request,
    asked: { options: request.asked ?? askedOptions(flags, options), wording: FLAG_WORDING },
    wait: flags.wait,
    verbose: flags.verbose,
    timeoutMs: request.timeoutMs ?? options.boot_timeout_ms ?? DEFAULTS.bootTimeoutMs,
    findExecutable: resolveHelper,
    onMachine: (via) => noteAccelerator(store, via, (text) => progress.note(text)),
    progress,
    signal: interrupt.signal,
  });
  let reports: MemberReport[];
  try {
    reports = await bringUp.run();
    reports = await publish(store, reports, bringUp.started, options);
  } finally {
    progress.end();
  }
  if (options.publish) { for (const { name, forwards = [] } of reports) publicPorts(name, forwards).forEach(warn); }
  if (flags.json) sayJson({ ...event, members: reports });
  else summary(reports).forEach(say);
  throwProblems(reports);
}

/** Says what the members would need, for a job that is asked for before it; starts nothing. */
async function tellNeeds(store: Store, { names, options }: UpRequest): Promise<void> {
  const saved = options.snapshot && requireCheckpoint(store, options.snapshot.checkpoint);
  const members = (await observeMembers(store, names)).map((facts) => {
    const { memoryMiB, ...machine } = jobMachine(facts, options, saved);
    return { ...machine, memory_mb: memoryMiB };
  });
  sayJson({ members });
  Deno.exit(0); // what follows a start is not to happen
}

/** Members that already ran get their forwards now; members that this command started have them from their boot. */
async function publish(
  store: Store,
  reports: MemberReport[],
  started: readonly string[],
  options: Options,
): Promise<MemberReport[]> {
  return await Promise.all(reports.map(async (report) => {
    const { publish = [] } = optionsOf(options, report.name);
    if (publish.length === 0 || started.includes(report.name)) return report;
    for (const wish of publish) await forward(store, report.name, wish);
    return await getReport(store, report.name) ?? report;
  }));
}

/** The errors of running members: cloud-init failed in them, or the host's full disk pauses them. */
export function throwProblems(reports: readonly MemberReport[]): void {
  const problems = reports.flatMap(({ state, failure }) => state === "running" && failure ? [failure] : []);
  if (problems.length === 0) return;
  const errors = problems.map(fromWireError);
  throw errors.length === 1 ? errors[0] : new AggregateError(errors);
}

/**
 * Name, address and command, one line for each member. On a terminal that is too narrow the command is printed once,
 * below.
 */
export function summary(reports: readonly MemberReport[], width = terminalWidth()): string[] {
  const lines = summaryLines(reports, ({ name }) => atPlace(`fleetbox ssh ${name}`));
  if (width === undefined || widest(lines) <= width) return lines;
  const short = summaryLines(reports, () => "");
  return widest(short) <= width ? [...short, atPlace("reach them: fleetbox ssh NAME")] : lines;
}

function summaryLines(reports: readonly MemberReport[], reach: (report: MemberReport) => string): string[] {
  const nameWidth = widest(reports.map(({ name }) => name));
  const ipWidth = widest(reports.map(({ ip }) => ip));
  return reports.flatMap((report) => {
    const { name, ip, state } = report;
    const how = state === "running" ? reach(report) : `${phaseOf(report).text}: ${atPlace(`fleetbox wait ${name}`)}`;
    const line = [name.padEnd(nameWidth), ...(ipWidth > 0 ? [ip.padEnd(ipWidth)] : []), how].join("  ").trimEnd();
    return [line, ...(report.forwards ?? []).map((one) => `${" ".repeat(nameWidth)}  ${forwardLine(one)}`)];
  });
}

function widest(texts: readonly string[]): number {
  return Math.max(...texts.map(({ length }) => length));
}

/** The last words of a command that is left at once. */
export function stillRunning(started: readonly string[]): string | undefined {
  if (started.length === 0) return undefined;
  return `left at once; may still run: ${started.join(", ")} (see: fleetbox ls; stop: fleetbox stop ${
    started.join(" ")
  })`;
}
