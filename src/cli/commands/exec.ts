/** `fleetbox exec`: one program on a member, for scripts: no terminal, no shell between the words and the program. */

import { Command } from "../arguments/parser.ts";
import { exec } from "../exec.ts";

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
    .action(exec);
}
