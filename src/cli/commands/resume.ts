/** `fleetbox resume`: members that `pause` has stopped go on. */

import { resumeMembers } from "../../control/faults.ts";
import { requireAndAdopt } from "../adopt_and_tell.ts";
import { parseNames } from "../arguments/name_arguments.ts";
import { Command } from "../arguments/parser.ts";
import { openStore } from "../arguments/open_store.ts";
import { countsText } from "../fault_view.ts";
import { say, sayJson } from "../terminal/output.ts";

export function resumeCommand(): Command {
  return new Command("resume")
    .aliases(["unpause"])
    .description("let members go on that pause has stopped")
    .argument("<names...>", "paused members: a,b,c or a b c")
    .option("--json", 'one JSON object: {"event":"heal","healed":[…]}')
    .addHelpText(
      "after",
      `
A member that suspend has ended goes on with up.

Example:
  fleetbox resume a`,
    )
    .action(async (words: string[], flags: { json?: boolean }) => {
      const names = parseNames(words);
      const store = openStore();
      await requireAndAdopt(store, names);
      const healed = await resumeMembers(store, names);
      if (flags.json) return sayJson({ event: "heal", healed });
      for (const fault of healed) say(`${fault.members[0]}: goes on (${countsText(fault)})`);
    });
}
