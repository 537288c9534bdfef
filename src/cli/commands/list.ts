/** `fleetbox ls`: every member in any state, observed now. */

import { collect } from "../arguments/collect.ts";
import { Command } from "../arguments/parser.ts";
import { list } from "../listing.ts";

export function listCommand(): Command {
  return new Command("ls")
    .aliases(["ps", "list"])
    .description("list all members with their state")
    .option("--repair", "first adopt orphaned machines, and remove the remains of dead groups")
    .option(
      "--label <key=value>",
      "only members with that label; KEY alone: with any value; repeatable: with all of them",
      collect,
    )
    .option("--all-places", "also the members of all places; one that does not answer within 5 s is a row")
    .option("-q, --quiet", "names only")
    .option("--json", "one JSON array")
    .addHelpText(
      "after",
      `
A stopped member is listed with the group that it last booted in. A narrow terminal shows fewer columns.

States: downloading, starting, running, stopped, error; suspended (up goes on where it was),
orphaned (its holder was killed, its machine runs), damaged (its config cannot be read),
unknown (its holder does not answer), queued (at a Slurm cluster: its job waits for a host).

--json: [{"name","state","stage"?,"running","ip","cpus","memory_mb","disk_mb","image","since"?,
"suspended"?,"labels"?,"place"?,"group"?,"last_group"?,"bound","ssh"?,"forwards"?,"reason"?,"hint"?}]

Examples:
  fleetbox ls
  fleetbox ls --repair
  fleetbox ls --label tier=db
  fleetbox stop $(fleetbox ls -q)`,
    )
    .action(list);
}
