/** What every command that begins a fault has: its options, and how it begins. */

import { beginFault } from "../control/faults.ts";
import type { FaultSpec } from "../core/faults.ts";
import { faultOf, type MachineFaultWish } from "../core/faults/machines.ts";
import { checkName } from "../core/names.ts";
import { parseDurationMs } from "./arguments/duration.ts";
import { parseSeed } from "./arguments/fault_arguments.ts";
import type { Command } from "./arguments/parser.ts";
import { openStore, requireMember } from "./arguments/store_access.ts";
import { adoptAndTell } from "./adopt_and_tell.ts";
import { begunText } from "./fault_view.ts";
import { say, sayJson } from "./terminal/output.ts";

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
  const forMs = flags.for === undefined ? undefined : parseDurationMs(flags.for, "--for");
  const seed = flags.seed === undefined ? undefined : parseSeed(flags.seed);
  const via = flags.via === undefined ? undefined : checkName(flags.via);
  if (via !== undefined) {
    await requireMember(store, via);
    await adoptAndTell(store, [via]);
  }
  const fault = await beginFault(store, { spec, forMs, seed }, via);
  if (flags.json) sayJson({ event: "fault", ...fault });
  else say(begunText(fault));
}

/** Begins the same fault of each of these members' machines, one after the other, and tells. */
export async function beginOfEach(names: readonly string[], wish: MachineFaultWish, flags: Common): Promise<void> {
  for (const member of names) await begin(faultOf(member, wish), flags);
}
