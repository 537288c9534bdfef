/** `fleetbox join`: boots a member onto another one's network. */

import { Command } from "../arguments/parser.ts";
import { codeOf, FleetboxError, messageOf } from "../../core/errors.ts";
import { checkName } from "../../core/names.ts";
import { suggestion } from "../../core/nearest.ts";
import { addUpFlags, bringMembersUp, type UpFlags } from "../bring_members_up.ts";
import { memberOptions } from "../arguments/member_options.ts";
import { isInStore } from "../../control/remove.ts";
import { openStore } from "../arguments/open_store.ts";
import { knownNames } from "../arguments/store_access.ts";
import { planJoin } from "../../control/plan.ts";

interface Flags extends UpFlags {
  via: string;
}

export function joinCommand(): Command {
  const command = new Command("join")
    .description("boot a member, new or stopped, onto the network of a running one")
    .argument("<name>", "the member that joins")
    .requiredOption("--via <name>", "a member of the group to be joined");
  return addUpFlags(command)
    .addHelpText("after", "\nThe events of --json: fleetbox help up\n\nExample:\n  fleetbox join d --via b")
    .action(async (word: string, flags: Flags) => {
      const [name, via] = [checkName(word), checkName(flags.via)];
      if (name === via) throw new FleetboxError("misuse", `"${name}" cannot join a network via itself`);
      await bringMembersUp({
        names: [name],
        context: [via],
        flags,
        options: memberOptions(flags),
        plan: (facts, groups) => planJoin(facts.get(name)!, facts.get(via)!, groups),
      }).catch(async (thrown) => {
        throw await guess(via, thrown);
      });
    });
}

/** The error for an unknown `via`, with the known names instead of the plan's own hint. */
async function guess(via: string, thrown: unknown): Promise<unknown> {
  if (codeOf(thrown) !== "not-found" || isInStore(openStore(), via)) return thrown;
  const hint = suggestion(via, await knownNames(openStore()), true);
  return hint ? new FleetboxError("not-found", messageOf(thrown), { hint }) : thrown;
}
