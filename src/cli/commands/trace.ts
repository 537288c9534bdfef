/** `fleetbox trace`: records a group, and looks at what was recorded. */

import { Command } from "../arguments/parser.ts";
import { traceEventsCommand } from "../trace/events.ts";
import { listTracesCommand, startTraceCommand, stopTraceCommand } from "../trace/recording.ts";
import { removeTracesCommand } from "../trace/remove.ts";
import { traceReplayCommand } from "../trace_replay/command.ts";
import { traceShowCommand } from "../trace_show/command.ts";

export function traceCommand(): Command {
  const command = new Command("trace").description("record a group, and look at what was recorded");
  const all = [
    startTraceCommand,
    stopTraceCommand,
    listTracesCommand,
    removeTracesCommand,
    traceShowCommand,
    traceEventsCommand,
    traceReplayCommand,
  ];
  for (const make of all) command.addCommand(make().helpOption("-h, --help", "print help"));
  return command.helpCommand(false).addHelpText(
    "after",
    `
A trace has the members' states, their consoles with times, the faults, and the frames between them, with what became of
each. It goes on when the group's holder is killed, and ends with the group; docs/trace.md has the rest.

Examples:
  fleetbox trace start a
  fleetbox trace stop a -w trace.zip
  fleetbox trace show trace.zip
  fleetbox trace events trace.zip --between 10s..20s
  fleetbox trace replay trace.zip`,
  );
}
