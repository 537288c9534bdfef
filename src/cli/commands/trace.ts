/** `fleetbox trace`: what was recorded of a group. */

import { Command } from "../arguments/parser.ts";
import { traceShowCommand } from "../trace_show/command.ts";

export function traceCommand(): Command {
  const command = new Command("trace").description("look at what was recorded of a group");
  for (const make of [traceShowCommand]) command.addCommand(make().helpOption("-h, --help", "print help"));
  return command.helpCommand(false).addHelpText(
    "after",
    `
Examples:
  fleetbox trace show trace.zip`,
  );
}
