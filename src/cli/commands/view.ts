/** `fleetbox view`: a group in the browser, as it runs. */

import { Command } from "../arguments/parser.ts";
import { type Flags, view } from "../view/command.ts";

export function viewCommand(): Command {
  return new Command("view")
    .description("show a running group in the browser, live; clicks run commands")
    .argument("[name]", "a member of the group (default: the only group that runs)")
    .option("--port <number>", "the port of 127.0.0.1 (default: a free one)")
    .option("--no-open", "print the address only")
    .addHelpText(
      "after",
      `
States, faults, links, packets and consoles as they come, and what came in the last minutes. Each click is a command,
printed here as you would type it; consoles can be typed into. Only the printed address opens it; treat it as a password, for it gives root in the guests.
It ends with the group or with Ctrl-C, and leaves nothing; docs/viewer.md has the rest.

Examples:
  fleetbox view
  fleetbox view a --no-open --port 8088`,
    )
    .action((word: string | undefined, flags: Flags) => view(word, flags));
}
