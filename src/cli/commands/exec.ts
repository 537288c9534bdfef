/** `fleetbox exec`: one program on a member, for scripts: no terminal, no shell between the words and the program. */

import { Command } from "../arguments/parser.ts";
import { FleetboxError } from "../../core/errors.ts";
import { checkName } from "../../core/names.ts";
import { shellCommand } from "../../core/quoting.ts";
import { reach } from "../ssh_endpoint.ts";
import { sshArguments } from "../arguments/ssh_arguments.ts";
import { runClient } from "../ssh_client.ts";
import { openStore } from "../arguments/store_access.ts";

export function execCommand(): Command {
  return new Command("exec")
    .description("run a program on a member, without a terminal")
    .argument("<name>", "the member")
    .argument("<command...>", "the program and its arguments, after --")
    .passThroughOptions()
    .addHelpText(
      "after",
      `
Each word reaches the program as it stands here; a shell, if wanted, is a program too. Standard input goes
through, output and errors stay apart, the exit code is the program's (255: ssh itself failed, 127: no such program).

Examples:
  fleetbox exec a -- uname -r
  fleetbox exec a -- sh -c 'echo $HOME | wc -c'
  fleetbox exec a -- tar -xz -C /srv < site.tar.gz`,
    )
    .action(async (word: string, words: string[]) => {
      const name = checkName(word);
      const command = words[0] === "--" ? words.slice(1) : words;
      if (command.length === 0) {
        throw new FleetboxError("misuse", "No program given", { hint: `fleetbox exec ${name} -- uname -r` });
      }
      const store = openStore();
      const endpoint = await reach(store, name);
      const args = sshArguments(store, endpoint, { tty: false, command: shellCommand(command) });
      Deno.exitCode = await runClient("ssh", args, store, [name]);
    });
}
