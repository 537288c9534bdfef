/** `fleetbox up`: creates missing members, boots stopped ones, keeps running ones. */

import { FleetboxError } from "../../core/errors.ts";
import { lazyModule } from "../../core/lazy_modules.ts";
import { Command } from "../arguments/parser.ts";
import { addUpFlags, bringMembersUp, type UpFlags } from "../bring_members_up.ts";
import { memberOptions } from "../arguments/member_options.ts";
import { numberedNames, parseNames } from "../arguments/name_arguments.ts";
import { planUp, planUpBeside } from "../../control/plan.ts";

interface Flags extends UpFlags {
  n?: string;
  file?: string | true;
}

export function upCommand(): Command {
  const command = new Command("up")
    .alias("start")
    .description("create and boot members on one private network, and wait until they run")
    .argument("[names...]", "members: a,b,c or a b c; of a file: these and those that they need (default: all)")
    .option("-f, --file [file]", "the group of a file; other options come before what it says (default: fleetbox.toml)")
    .option("-n <count>", "number the members of one name: node -n 3 is node-1, node-2, node-3");
  return addUpFlags(command)
    .addHelpText(
      "after",
      `
Members that exist keep their disks, and those that run stay as they are; but --publish,
--egress and --host-access take effect at once, and are kept with the member. One that is
stopped boots with the --cpus and --memory that are given and keeps them; its --disk can grow.
What has no effect on a member is told.
If one of the first boot of a group fails, the others are stopped again and what was
created is removed.
Ctrl-C takes down again what this command started; a second Ctrl-C leaves at once.

Events of --json: {"event":"member","member":{…}} for each change, {"event":"note","message"},
and at the end {"event":"up","members":[…]}.

Examples:
  fleetbox up a,b,c
  fleetbox up node -n 3 --memory 512M --egress off
  fleetbox up web --image ./debian.qcow2 --cpus 2 --memory 2G --disk 20G
  fleetbox up -f cluster.toml --egress off`,
    )
    .action(async (words: string[], flags: Flags) => {
      if (flags.file !== undefined) return await upFile(flags.file, words, flags);
      if (words.length === 0) {
        throw new FleetboxError("misuse", "Which members? For example: fleetbox up a,b", {
          hint: "The group of a file: fleetbox up -f FILE",
        });
      }
      const names = flags.n === undefined ? parseNames(words) : numberedNames(words, flags.n);
      await bringMembersUp({
        names,
        flags,
        options: memberOptions(flags),
        plan: (facts, groups) => planUp(names.map((name) => facts.get(name)!), groups),
      });
    });
}

/** The members of a file form one group, whichever of them are brought up when. */
async function upFile(file: string | true, words: string[], flags: Flags): Promise<void> {
  if (flags.n !== undefined) {
    throw new FleetboxError("misuse", "-n numbers the members of one name, found a file", {
      hint: "Write it there: count = 3",
    });
  }
  const { readGroup, wishOf } = await lazyModule<typeof import("../group_file/group.ts")>(
    "src/cli/group_file/group.ts",
  );
  const group = await readGroup(file, words, flags);
  const names = group.members.map(({ name }) => name);
  await bringMembersUp({
    ...{ names, flags, context: group.others, ...wishOf(group) },
    plan: (facts, groups) => {
      const [members, others] = [names, group.others].map((some) => some.map((name) => facts.get(name)!));
      return planUpBeside(members, others, groups);
    },
  });
}
