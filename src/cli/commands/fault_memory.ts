/** `fleetbox fault memory`: guests that are short of memory. */

import { FleetboxError } from "../../core/errors.ts";
import { parseSizeMiB } from "../../core/options.ts";
import { parseNames } from "../arguments/name_arguments.ts";
import { Command } from "../arguments/parser.ts";
import { beginOfEach, type Common, common } from "../fault_begin.ts";

export function memoryFaultCommand(): Command {
  return common(
    new Command("memory")
      .description("take memory away from the programs of members")
      .argument("<names...>", "running members: a,b,c or a b c")
      .option("--available <size>", "how much is left to them: 64M"),
  ).addHelpText(
    "after",
    `
As MemAvailable of the guest's /proc/meminfo tells it, at this moment: what its programs use later, they use of that. When
it is used up, the guest's kernel kills one of them, and never what holds the memory. Of several such faults the one that
leaves least holds.

Example:
  fleetbox fault memory a --available 64M --for 1m`,
  ).action(async (words: string[], flags: Common & { available?: string }) => {
    const names = parseNames(words);
    if (flags.available === undefined) {
      throw new FleetboxError("misuse", "How much is left? For example: fleetbox fault memory a --available 64M");
    }
    const availableMiB = Math.round(parseSizeMiB(flags.available, "--available"));
    await beginOfEach(names, { kind: "memory", availableMiB }, flags);
  });
}
