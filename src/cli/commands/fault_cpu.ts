/** `fleetbox fault cpu`: members that get part of the processor's time only. */

import { FleetboxError } from "../../core/errors.ts";
import { SHARES } from "../../core/faults/cpu.ts";
import { parseProbability } from "../arguments/fault_arguments.ts";
import { parseNames } from "../arguments/name_arguments.ts";
import { Command } from "../arguments/parser.ts";
import { beginOfEach, type Common, common } from "../fault_begin.ts";

export function cpuCommand(): Command {
  return common(
    new Command("cpu")
      .description("give machines a part of the processor's time only")
      .argument("<names...>", "running members: a,b,c or a b c")
      .option("--share <part>", "how much of the time they run: 30%"),
  ).addHelpText(
    "after",
    `
Their machines are stopped and continued again and again, in turns of about 20 ms, as on a host that is short of processors;
their clocks go on. Of several such faults the smallest share holds.

Example:
  fleetbox fault cpu a --share 30% --for 30s`,
  ).action(async (words: string[], flags: Common & { share?: string }) => {
    const names = parseNames(words);
    const share = parseShare(flags.share);
    await beginOfEach(names, { kind: "cpu", share }, flags);
  });
}

function parseShare(text: string | undefined): number {
  if (text === undefined) {
    throw new FleetboxError("misuse", "How much of the time? For example: fleetbox fault cpu a --share 30%");
  }
  const share = parseProbability(text, "--share");
  if (share >= SHARES.min && share <= SHARES.max) return share;
  throw new FleetboxError("misuse", `Bad value for --share: found ${JSON.stringify(text)}, expected 1% to 99%`, {
    hint: share < SHARES.min ? "To stop it altogether: fleetbox pause" : "To end the fault: fleetbox heal",
  });
}
