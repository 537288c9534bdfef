/** `fleetbox config`: what a group file stands for. Starts nothing. */

import { lazyModule } from "../../core/lazy_modules.ts";
import { addMemberFlags, type MemberFlags } from "../arguments/member_options.ts";
import { Command } from "../arguments/parser.ts";
import { say, sayJson } from "../terminal/output.ts";

interface Flags extends MemberFlags {
  file?: string | true;
  quiet?: boolean;
  schema?: boolean;
  json?: boolean;
}

export function configCommand(): Command {
  const command = new Command("config")
    .description("print what a group file stands for, every default filled in; start nothing")
    .argument("[names...]", "members of the file: these and those that they need (default: all)")
    .option("-f, --file [file]", "the group file; - is standard input (default: fleetbox.toml)")
    .option("-q, --quiet", "the members' names alone")
    .option("--schema", "the file's JSON Schema, for editors")
    .option("--json", "one JSON object");
  return addMemberFlags(command)
    .addHelpText(
      "after",
      `
A group file is TOML; its keys are the options of up, without the dashes:

  [defaults]
  egress = "off"

  [members.db]
  memory = "1G"
  fixture = ["./seed:/srv/seed"]

  [members.web]
  count = 2
  needs = ["db"]
  publish = ["80"]

This is db, and then, when it runs, web-1 and web-2, on one network. Paths are relative to the
file. What is not there is told with its line; docs/group-file.md has the rest.

Examples:
  fleetbox config -f cluster.toml --memory 1G
  fleetbox stop $(fleetbox config -q -f cluster.toml)
  fleetbox config --schema > fleetbox.schema.json`,
    )
    .action(async (words: string[], flags: Flags) => {
      const file = await lazyModule<typeof import("../group_file/config.ts")>("src/cli/group_file/config.ts");
      if (flags.schema) return say(JSON.stringify(file.groupFileSchema(), null, 2));
      const group = await file.readGroup(flags.file ?? true, words, flags);
      if (flags.json) return sayJson(file.groupJson(group));
      if (flags.quiet) return group.members.forEach(({ name }) => say(name));
      say(file.groupToml(group));
    });
}
