/** What every command that begins a fault has: its options, and how it begins. */

import { beginFault } from "../control/faults.ts";
import { type FaultSpec, GATEWAY, namesOfFault } from "../core/faults.ts";
import { faultOf, type MachineFaultWish } from "../core/faults/machines.ts";
import { checkName } from "../core/names.ts";
import { parseDurationMs } from "./arguments/duration.ts";
import { parseSeed } from "./arguments/fault_arguments.ts";
import type { Command } from "./arguments/parser.ts";
import { openStore } from "./arguments/open_store.ts";
import { requireAndAdopt } from "./adopt_and_tell.ts";
import { throwAll } from "./error_text.ts";
import { begunText } from "./fault_view.ts";
import type { FaultReport } from "../wire.ts";
import { say, sayJson, terminalWidth } from "./terminal/output.ts";
import { wrapText } from "./terminal/wrap.ts";

/** The options that every fault has. */
export interface Common {
  for?: string;
  seed?: string;
  via?: string;
  json?: boolean;
}

/** Adds them. */
export function common(command: Command): Command {
  return command
    .option("--for <duration>", "how long it lasts (default: until it is healed)")
    .option("--seed <number>", "of its random numbers (default: a random one, which is printed)")
    .option("--via <name>", "a member of the group, where no other option names one")
    .option("--json", "one JSON object");
}

/** Begins a fault, and tells. */
export async function begin(spec: FaultSpec, flags: Common): Promise<void> {
  const store = openStore();
  const { via, ...wish } = wishOf(flags);
  const named = namesOfFault(spec).filter((name) => name !== GATEWAY);
  await requireAndAdopt(store, via === undefined ? named : [via, ...named]);
  tell(await beginFault(store, { spec, ...wish }, via), flags);
}

/** Begins the same fault of each of these members' machines, all at once, and tells; those that cannot be do not keep others from it. */
export async function beginOfEach(names: readonly string[], fault: MachineFaultWish, flags: Common): Promise<void> {
  const store = openStore();
  const { via, ...wish } = wishOf(flags);
  await requireAndAdopt(store, via === undefined ? names : [via, ...names]);
  const begin = (member: string) => beginFault(store, { spec: faultOf(member, fault), ...wish }, via);
  const results = await Promise.allSettled(names.map(begin));
  for (const result of results) if (result.status === "fulfilled") tell(result.value, flags);
  throwAll(results.flatMap((result) => result.status === "rejected" ? [result.reason] : []));
}

function wishOf(flags: Common): { forMs?: number; seed?: number; via?: string } {
  return {
    forMs: flags.for === undefined ? undefined : parseDurationMs(flags.for, "--for"),
    seed: flags.seed === undefined ? undefined : parseSeed(flags.seed),
    via: flags.via === undefined ? undefined : checkName(flags.via),
  };
}

function tell(fault: FaultReport, { json }: Common): void {
  if (json) sayJson({ event: "fault", ...fault });
  else say(wrapText(begunText(fault), terminalWidth() ?? Infinity));
}
