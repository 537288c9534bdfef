/** `fleetbox ssh`: a shell on a member, or one command there. */

import { Command } from "../arguments/parser.ts";
import { checkName } from "../../core/names.ts";
import { remoteCommand } from "../../core/quoting.ts";
import { reach } from "../ssh_endpoint.ts";
import { sshArguments } from "../arguments/ssh_arguments.ts";
import { runClient } from "../ssh_client.ts";
import { openStore } from "../arguments/store_access.ts";

export function sshCommand(): Command {
  return new Command("ssh")
    .alias("shell")
    .description("open a shell on a member, or run a command there")
    .argument("<name>", "the member")
    .argument("[command...]", "the command, after --")
    .option("-t, --tty", "give the command a terminal")
    .passThroughOptions()
    .addHelpText(
      "after",
      `
Of a COMMAND of several words each reaches the program as it stands here: fleetbox ssh a -- echo '$HOME'
prints $HOME. A COMMAND of one word is a line for the guest's shell: fleetbox ssh a -- 'echo $HOME | wc -c'.
The exit code is the command's (255: ssh itself failed). Uses the system's ssh; ~/.ssh is not read.

Examples:
  fleetbox ssh a
  fleetbox ssh a -- ping -c1 b
  fleetbox ssh -t a -- top`,
    )
    .action(async (word: string, words: string[], flags: { tty?: boolean }) => {
      const command = words[0] === "--" ? words.slice(1) : words;
      const store = openStore();
      const name = checkName(word);
      const endpoint = await reach(store, name);
      const args = sshArguments(store, endpoint, { tty: flags.tty, command: remoteCommand(command) });
      Deno.exitCode = await runClient("ssh", args, store, [name]);
    });
}
