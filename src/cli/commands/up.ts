/** `fleetbox up`: creates missing members, boots stopped ones, keeps running ones. */

import { FleetboxError } from "../../core/errors.ts";
import { lazyModule } from "../../core/lazy_modules.ts";
import { Command } from "../arguments/parser.ts";
import { addUpFlags, bringMembersUp, type UpFlags } from "../bring_members_up.ts";
import { memberOptions } from "../arguments/member_options.ts";
import { madeUpName } from "../arguments/made_up_names.ts";
import { numberedNames, parseNames } from "../arguments/name_arguments.ts";
import { openStore } from "../arguments/open_store.ts";
import { upForNow } from "../up/for_now.ts";
import { planUp, planUpBeside } from "../../control/plan.ts";
import { exists } from "../../system/files.ts";

interface Flags extends UpFlags {
  n?: string;
  rm?: boolean;
  file?: string | true;
}

export function upCommand(): Command {
  const command = new Command("up")
    .alias("start")
    .description("create and boot members on one private network, and wait until they run")
    .argument(
      "[names...]",
      "members: a,b,c or a b c (default: one with a made-up name); of a file: these and those that they need (default: all)",
    )
    .option("-f, --file [file]", "the group of a file; other options come before what it says (default: fleetbox.toml)")
    .option("-n <count>", "number the members of one name: node -n 3 is node-1, node-2, node-3")
    .option("--rm", "stay, and remove the new members with their disks when this command ends");
  return addUpFlags(command)
    .addHelpText(
      "after",
      `
Members that exist keep their disks, and those that run stay as they are; but --publish,
--egress and --host-access take effect at once, and are kept with the member. One that is
stopped boots with the --cpus and --memory that are given and keeps them; its --disk can grow.
What has no effect on a member is told.
--run runs a script once in each member, new or not; a member remembers what has run in it. If it
fails, the member stays, and the last lines are told: mend the script, and say up --run again.
If one of the first boot of a group fails, the others are stopped again and what was
created is removed.
Ctrl-C takes down again what this command started; a second Ctrl-C leaves at once.

Without a name the member gets one that is made up, and told at the end. With --rm the command
waits until Ctrl-C, or until its members have stopped; they are removed also when it is killed.

Events of --json: {"event":"member","member":{…}} for each change, {"event":"note","message"},
{"event":"output","name","script","line"} for what a script says,
and at the end {"event":"up","members":[…]}; with --rm later {"event":"rm","removed":["a"]}.

Examples:
  fleetbox up a,b,c
  fleetbox up --rm
  fleetbox up node -n 3 --memory 512M --egress off
  fleetbox up web --image debian-12 --run setup.sh
  fleetbox up web --image ./debian.qcow2 --cpus 2 --memory 2G --disk 20G
  fleetbox up -f cluster.toml --egress off`,
    )
    .action(async (words: string[], flags: Flags) => {
      if (flags.file !== undefined) return await upFile(flags.file, words, flags);
      const named = words.length > 0 ? words : [madeUp()];
      const names = flags.n === undefined ? parseNames(named) : numberedNames(named, flags.n);
      if (flags.rm) return await upForNow(names, flags, memberOptions(flags));
      await bringMembersUp({
        names,
        flags,
        options: memberOptions(flags),
        plan: (facts, groups) => planUp(names.map((name) => facts.get(name)!), groups),
      });
    });
}

/** A made-up name. @throws {FleetboxError} `misuse`: there is a file here, which may have been meant */
function madeUp(): string {
  if (exists("fleetbox.toml")) {
    throw new FleetboxError("misuse", "Which members? For example: fleetbox up a,b", {
      hint: "The group of the fleetbox.toml that is here: fleetbox up -f",
    });
  }
  return madeUpName(openStore());
}

/** The members of a file form one group, whichever of them are brought up when. */
async function upFile(file: string | true, words: string[], flags: Flags): Promise<void> {
  if (flags.rm) {
    throw new FleetboxError("misuse", "--rm is for members that are named, or have made-up names, found a file", {
      hint: "Remove those of the file later: fleetbox rm $(fleetbox config -q -f FILE)",
    });
  }
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
