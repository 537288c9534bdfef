/** `fleetbox place`: other hosts, reached by OpenSSH, and clusters, on which commands can run with `--on`. */

import { Command } from "../arguments/parser.ts";
import { addPlaceCommand } from "../places/add.ts";
import { checkPlaceCommand, listPlacesCommand, removePlacesCommand } from "../places/manage.ts";

export function placeCommand(): Command {
  const command = new Command("place").description(
    "hosts that OpenSSH reaches, and Slurm clusters, on which commands run with --on",
  );
  for (const make of [addPlaceCommand, listPlacesCommand, checkPlaceCommand, removePlacesCommand]) {
    command.addCommand(make().helpOption("-h, --help", "print help"));
  }
  return command.helpCommand(false).addHelpText(
    "after",
    `
A place has a store and machines of its own. fleetbox up a --on big runs there, and so does all else with --on big, or
with FLEETBOX_PLACE=big in the environment; --on here is this host. docs/places.md has the rest.

Examples:
  fleetbox place add big ssh://me@big.example
  fleetbox place add lab slurm://login
  fleetbox up a,b --on big
  fleetbox exec a --on big -- uname -r`,
  );
}
