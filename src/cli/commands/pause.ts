/** `fleetbox pause`: the virtual CPUs of members stand still, until `resume`. */

import { parseNames } from "../arguments/name_arguments.ts";
import { Command } from "../arguments/parser.ts";
import { beginOfEach, type Common } from "../fault_begin.ts";

export function pauseCommand(): Command {
  return new Command("pause")
    .aliases(["freeze"])
    .description("stop the virtual CPUs of members, as if they hung; resume lets them go on")
    .argument("<names...>", "running members: a,b,c or a b c")
    .option("--for <duration>", "go on by itself after that (default: until resume)")
    .option("--json", "one JSON object for each")
    .addHelpText(
      "after",
      `
Nothing in the guest runs, and nothing of it is lost; connections to it wait, or time out at the other end. Its clock stands
still, too, and is behind afterwards. A pause is a fault: fault ls lists it, heal ends it.

Example:
  fleetbox pause a --for 10s`,
    )
    .action((words: string[], flags: Pick<Common, "for" | "json">) =>
      beginOfEach(parseNames(words), { kind: "pause" }, flags)
    );
}
