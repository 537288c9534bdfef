/** `fleetbox exec`: one program on a member, for scripts: no shell between the words and the program. */

import { Command } from "../arguments/parser.ts";
import { collect } from "../arguments/collect.ts";
import { exec } from "../exec.ts";
import { execCommandLine, type ExecFlags } from "../arguments/exec_arguments.ts";

export function execCommand(): Command {
  return new Command("exec")
    .description("run a program on a member, or on several at once, with exact arguments")
    .argument("<name>", "the member; or several, as a,b,c")
    .argument("<command...>", "the program and its arguments, after --")
    .option("-t, --tty", "give the program a terminal; yours is raw meanwhile")
    .option("-i, --interactive", "pass standard input on; it always is, so that -it works as in docker")
    .option(
      "-w, --workdir <directory>",
      "the program's directory on the member; a relative one is below the user's home",
    )
    .option("-e, --env <name=value>", "a variable for the program, or NAME for its value here; repeat it", collect)
    .option("-u, --user <user>", "the program's user, a name or an id, by sudo in the guest")
    .passThroughOptions()
    .addHelpText(
      "after",
      `
Each word reaches the program as it stands here; a shell, if wanted, is a program too. Standard input goes
through, output and errors stay apart (with -t they are one), the exit code is the program's (255: ssh itself
failed, 130: Ctrl-C, 127: no such program, 125: the member has no such directory or user). Options stand before the name.

With several members each line has its member's name in front, and the program has no standard input. It runs
in all of them, or, when one cannot be reached, in none. The exit code is the first that is not 0, in the
order of the names.

Without -w the program runs in its user's home. Values of -e are seen in the lists of processes, here and there.

Examples:
  fleetbox exec a -- uname -r
  fleetbox exec a -- sh -c 'echo $HOME | wc -c'
  fleetbox exec a -- tar -xz -C /srv < site.tar.gz
  fleetbox exec -it a -- top
  fleetbox exec a,b,c -- uname -r
  fleetbox exec -u root -w /etc -e LANG=C a -- ls -l`,
    )
    .action((word: string, words: string[], flags: ExecFlags) =>
      exec(word, words, {
        tty: flags.tty,
        interactive: flags.interactive,
        lineFor: (name, login, command) => execCommandLine(name, login, command, flags),
      })
    );
}
