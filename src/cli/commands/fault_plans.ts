/** `fleetbox fault run` and `fleetbox fault random`: faults one after the other, by a plan or by chance. */

import { getGroup } from "../../control.ts";
import { runPlan, type RunResult } from "../../control/fault_run.ts";
import { memberOfOnlyGroup } from "../../control/faults.ts";
import { FleetboxError, isNotFound, messageOf } from "../../core/errors.ts";
import { type FaultPackage, type FaultTargets, FIXED_TARGETS, PACKAGES } from "../../core/faults/packages.ts";
import { type FaultPlan, parsePlan, randomPlan } from "../../core/faults/plan.ts";
import { faultText, timeText } from "../../core/faults/text.ts";
import { checkName } from "../../core/names.ts";
import { newSeed } from "../../core/random.ts";
import { naturalOrder, type Store } from "../../store.ts";
import { parseDurationMs } from "../arguments/duration.ts";
import { bytesText, sizeText } from "../arguments/sizes.ts";
import { parseSeed } from "../arguments/fault_arguments.ts";
import { Command } from "../arguments/parser.ts";
import { openStore } from "../arguments/open_store.ts";
import { requireMember } from "../arguments/store_access.ts";
import { adoptAndTell } from "../adopt_and_tell.ts";
import { countsText } from "../fault_view.ts";
import { Interrupt } from "../terminal/interrupt.ts";
import { say, sayJson, warn } from "../terminal/output.ts";

interface RunFlags {
  via?: string;
  json?: boolean;
}

const EVENTS = `Events of --json: {"event":"fault",…} for each that begins, {"event":"healed",…} for each that ends,
{"event":"fault-failed","step","error"} for one that could not begin, and at the end {"event":"run","begun","failed","counts"}.
Ctrl-C ends the plan, and what it has begun.`;

export function runCommand(): Command {
  return new Command("run")
    .description("play a plan of faults, a JSON file; returns when it is over")
    .argument("<file>", "the plan")
    .option("--via <name>", "a member of the group (default: the only group that runs)")
    .option("--json", "one JSON object per event")
    .addHelpText(
      "after",
      `
A plan is {"version":1,"seed":7,"steps":[{"at_ms":0,"for_ms":5000,"fault":{"kind":"partition","sets":[["a"],["b"]]}}]}; its
faults are those of fault ls --json, "spec". Its schema: docs/fault-plan.schema.json.

${EVENTS}

Example:
  fleetbox fault run plan.json`,
    )
    .action(async (file: string, flags: RunFlags) => {
      const plan = parsePlan(read(file), file);
      const store = openStore();
      await play(store, plan, await memberOf(store, flags.via), flags);
    });
}

interface RandomFlags extends RunFlags {
  faults: string;
  targets: string;
  interval: string;
  for: string;
  quietAfter: string;
  seed?: string;
  print?: boolean;
}

export function randomCommand(): Command {
  return new Command("random")
    .description("make faults by chance, one after the other; a seed makes the same ones again")
    .option("--faults <kinds>", `what may happen: ${PACKAGES.join(", ")}`, "partition,packet,pause")
    .option(
      "--targets <words>",
      `whom a fault of machines or packets hits: ${FIXED_TARGETS.join(", ")}`,
      "one,minority,majority",
    )
    .option("--interval <duration>", "a fault begins so often, and lasts at most as long", "10s")
    .option("--for <duration>", "how long faults begin", "1m")
    .option("--quiet-after <duration>", "how long nothing happens at the end", "10s")
    .option("--seed <number>", "the same seed and members give the same plan (default: a random one)")
    .option("--print", "print the plan, to be played by fault run, and make no faults")
    .option("--via <name>", "a member of the group (default: the only group that runs)")
    .option("--json", "one JSON object per event")
    .addHelpText(
      "after",
      `
${EVENTS}

Examples:
  fleetbox fault random --faults partition,pause --for 2m --seed 7
  fleetbox fault random --seed 7 --print > plan.json`,
    )
    .action(async (flags: RandomFlags) => {
      if (flags.targets.split(",").includes("primaries")) {
        throw new FleetboxError("misuse", "Who leads is not known when a plan is made, so it cannot be for primaries", {
          hint: 'A test can tell at each time: cluster.nemesis({ targets: ["primaries"], primaries: () => … })',
        });
      }
      const store = openStore();
      const via = await memberOf(store, flags.via);
      const { members } = (await getGroup(store, via))!;
      const plan = randomPlan({
        members: members.map(({ name }) => name).sort(naturalOrder),
        faults: flags.faults.split(",") as FaultPackage[],
        targets: flags.targets.split(",") as FaultTargets[],
        intervalMs: parseDurationMs(flags.interval, "--interval"),
        durationMs: parseDurationMs(flags.for, "--for"),
        quietMs: parseDurationMs(flags.quietAfter, "--quiet-after", { allowZero: true }),
        seed: flags.seed === undefined ? newSeed() : parseSeed(flags.seed),
      });
      if (flags.print) return say(JSON.stringify(plan, null, 2));
      if (!flags.json) say(`seed ${plan.seed}: ${plan.steps.length} faults, ${timeText(rounded(durationOf(plan)))}`);
      await play(store, plan, via, flags);
    });
}

function durationOf({ steps, quiet_ms = 0 }: FaultPlan): number {
  return Math.max(...steps.map(({ at_ms, for_ms }) => at_ms + for_ms)) + quiet_ms;
}

/** To a tenth of a second, when it is longer than that. */
function rounded(ms: number): number {
  return ms < 100 ? ms : Math.round(ms / 100) * 100;
}

function read(file: string): string {
  try {
    return Deno.readTextFileSync(file);
  } catch (cause) {
    if (isNotFound(cause)) throw new FleetboxError("not-found", `There is no file ${file}`, { cause });
    throw new FleetboxError("failed", `Cannot read ${file}: ${messageOf(cause)}`, { cause });
  }
}

async function memberOf(store: Store, via: string | undefined): Promise<string> {
  if (via === undefined) return await memberOfOnlyGroup(store);
  const { report } = await requireMember(store, checkName(via));
  await adoptAndTell(store, [via]);
  if (report?.running) return via;
  throw new FleetboxError("not-found", `"${via}" is not running`, { hint: `Start it first: fleetbox up ${via}` });
}

/** Plays a plan, and shows what it does. @param via a member of the group @throws {FleetboxError} `interrupted` */
export async function play(store: Store, plan: FaultPlan, via: string, { json }: RunFlags): Promise<void> {
  using interrupt = new Interrupt(() => "left at once: the faults that were begun end at their time");
  const { signal } = interrupt;
  const result = await runPlan(store, plan, {
    via: () => Promise.resolve(via),
    signal,
    onBegin: (fault, { at_ms, for_ms }) => {
      if (json) sayJson({ event: "fault", ...fault });
      else say(`${timeText(at_ms)}: ${fault.id}: ${fault.what}, for ${timeText(rounded(for_ms))}`);
    },
    onEnd: (fault) => {
      if (json) sayJson({ event: "healed", ...fault });
      else say(`${fault.id}: over (${countsText(fault)})`);
    },
    onFailure: (step, why) => {
      if (json) sayJson({ event: "fault-failed", step, error: messageOf(why) });
      else warn(`${timeText(step.at_ms)}: cannot begin: ${faultText(step.fault)}: ${messageOf(why)}`);
    },
  });
  if (json) sayJson({ event: "run", ...result });
  else say(summary(result));
  if (signal.aborted) throw new FleetboxError("interrupted", "Interrupted: the faults of the plan are healed");
}

/** Counts that are no numbers of things, in words; "": not told. */
const IN_WORDS: Record<string, (count: number) => string> = {
  paused_ms: (ms) => `paused for ${timeText(rounded(ms))}`,
  stopped_ms: (ms) => `stood still for ${timeText(rounded(ms))}`,
  rated_ms: (ms) => `clocks too fast or slow for ${timeText(rounded(ms))}`,
  steps: (count) => `clocks moved ${count === 1 ? "once" : `${count} times`}`,
  taken_mib: (size) => `${sizeText(size)} of memory taken`,
  filled_bytes: (size) => `${bytesText(size)} of disks filled`,
  squeezed_ms: () => "",
  moved_ms: () => "", // the sum of bumps to and fro tells nothing
};

function summary({ begun, failed, counts }: RunResult): string {
  const done = Object.entries(counts).filter(([, count]) => count > 0)
    .map(([what, count]) => IN_WORDS[what]?.(count) ?? `${count} ${what}`).filter((words) => words !== "");
  return `${begun} ${begun === 1 ? "fault" : "faults"}${failed > 0 ? `, ${failed} that could not begin` : ""}: ${
    done.join(", ") || "nothing hit"
  }`;
}
