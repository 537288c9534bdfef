/** `fleetbox pause`: the virtual CPUs of members stand still, until `resume`. */

import { beginFault } from "../../control/faults.ts";
import { adoptAndTell } from "../adopt_and_tell.ts";
import { parseDurationMs } from "../arguments/duration.ts";
import { parseNames } from "../arguments/name_arguments.ts";
import { Command } from "../arguments/parser.ts";
import { openStore, requireMember } from "../arguments/store_access.ts";
import { throwAll } from "../error_text.ts";
import { begunText } from "../fault_view.ts";
import { say, sayJson } from "../terminal/output.ts";

interface Flags {
  for?: string;
  json?: boolean;
}

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
    .action(async (words: string[], flags: Flags) => {
      const names = parseNames(words);
      const forMs = flags.for === undefined ? undefined : parseDurationMs(flags.for, "--for");
      const store = openStore();
      for (const name of names) await requireMember(store, name);
      await adoptAndTell(store, names);
      const results = await Promise.allSettled(
        names.map((member) => beginFault(store, { spec: { kind: "pause", member }, forMs })),
      );
      const failures: unknown[] = [];
      for (const result of results) {
        if (result.status === "rejected") failures.push(result.reason);
        else if (flags.json) sayJson({ event: "fault", ...result.value });
        else say(begunText(result.value));
      }
      throwAll(failures);
    });
}
