/** `fleetbox fork`: new members that go on where a checkpoint was, in a group of their own. */

import { Command } from "../arguments/parser.ts";
import { addWaitFlags, bringMembersUp, type UpFlags } from "../bring_members_up.ts";
import { checkName } from "../../core/names.ts";
import { memberOptions } from "../arguments/member_options.ts";
import { addForkFlags } from "../arguments/saved_options.ts";
import { openStore } from "../arguments/open_store.ts";
import { CHECKPOINT_NAME, requireCheckpoint } from "../../control/snapshots/checkpoint.ts";
import { forkMembers, forkOptions, isUnmadeFork, planFork, withFreeBeginning } from "../../control/snapshots/fork.ts";

interface Flags extends UpFlags {
  as?: string;
}

export function forkCommand(): Command {
  const command = new Command("fork")
    .description("make new members from a checkpoint: they go on where it was, on a network of their own")
    .argument("<checkpoint>", "the checkpoint")
    .option("--as <name>", "what the new names begin with (default: CHECKPOINT-1, then -2, …)");
  return addWaitFlags(addForkFlags(command))
    .addHelpText(
      "after",
      `
The fork of a, b and c as run1 is run1-a, run1-b and run1-c. On their own network they have the
host names, the addresses and the memory of the saved ones; connections between them go on,
others are broken. Each has new random numbers, and its clock is set. The port forwards of the
saved ones are theirs alone: --publish makes new ones.
Ctrl-C removes the fork again; a second Ctrl-C leaves at once.

Events of --json: as of up, and at the end {"event":"fork","checkpoint","as","members":[…]}.

Examples:
  fleetbox fork seeded
  fleetbox fork seeded --as run1 --egress off
  fleetbox exec run1-a -- hostname`,
    )
    .action(async (word: string, flags: Flags) => {
      const store = openStore();
      const manifest = requireCheckpoint(store, checkName(word, CHECKPOINT_NAME));
      const given = memberOptions(flags, Deno.cwd, ""); // the image is the checkpoint's
      const fork = async (as: string) => {
        const members = forkMembers(manifest, as);
        const names = Object.keys(members);
        const isUnmade = isUnmadeFork(store, manifest.name, members);
        await bringMembersUp({
          names,
          flags,
          options: forkOptions(manifest.name, members, given),
          event: { event: "fork", checkpoint: manifest.name, as },
          plan: (facts, groups) =>
            planFork(names.map((name) => facts.get(name)!), groups, { checkpoint: manifest.name, isUnmade }),
        });
      };
      if (flags.as === undefined) await withFreeBeginning(store, manifest, fork);
      else await fork(checkName(flags.as));
    });
}
