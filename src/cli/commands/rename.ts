/** `fleetbox rename`: gives a member that is down another name. */

import { Command } from "../arguments/parser.ts";
import { FleetboxError } from "../../core/errors.ts";
import { checkName } from "../../core/names.ts";
import { renameMember } from "../../store/rename.ts";
import { isAlive } from "../../system/process.ts";
import { observeMember } from "../../control/observe.ts";
import { ofAProgram } from "../../control/plan.ts";
import { openStore } from "../arguments/open_store.ts";
import { unknownMember } from "../arguments/store_access.ts";
import { say, sayJson } from "../terminal/output.ts";

export function renameCommand(): Command {
  return new Command("rename")
    .alias("mv")
    .description("give a stopped member another name, with its disk and all that it has")
    .argument("<name>", "the member")
    .argument("<new-name>", "its new name")
    .option("--json", "one JSON object")
    .addHelpText(
      "after",
      `
It keeps its address, its forwards and its labels. The other members of its network find it by
the new name, which its guest has as host name from its next boot on. Checkpoints that it is in
keep the old name.

--json: {"event":"rename","name":"database","was":"a"}

Example:
  fleetbox stop a && fleetbox rename a database && fleetbox up database`,
    )
    .action(async (word: string, newWord: string, flags: { json?: boolean }) => {
      const [from, to] = [checkName(word), checkName(newWord)];
      if (from === to) throw new FleetboxError("misuse", `"${from}" has that name already`);
      const store = openStore();
      const { stored, report, silence } = await observeMember(store, from);
      if (report?.bound) throw ofAProgram(from);
      const owner = stored && "config" in stored ? stored.config.owner : undefined;
      if (owner && isAlive(owner)) throw ofAProgram(from);
      const isHalf = !stored && store.readMember(to) !== undefined; // an earlier try was killed
      if (!stored && !report && !silence && !isHalf) throw await unknownMember(store, from);
      await renameMember(store, from, to);
      if (flags.json) sayJson({ event: "rename", name: to, was: from });
      else say(`${from} is ${to} now`);
    });
}
