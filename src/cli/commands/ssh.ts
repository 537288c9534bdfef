/** `fleetbox ssh`: a shell on a member, or one command there; ports and the agent of this host, by ssh's own options. */

import { Command } from "../arguments/parser.ts";
import { collect } from "../arguments/collect.ts";
import { FleetboxError } from "../../core/errors.ts";
import { checkName } from "../../core/names.ts";
import { remoteCommand } from "../../core/quoting.ts";
import { checkLine } from "../ssh/run_in_guest.ts";
import { reach } from "../ssh/ssh_endpoint.ts";
import { sshArguments } from "../arguments/ssh_arguments.ts";
import { checkPlace } from "../exec.ts";
import { runClient } from "../ssh/ssh_client.ts";
import { openStore } from "../arguments/open_store.ts";

interface Flags {
  /** How often it was given. */
  tty?: number;
  agent?: boolean;
  local?: string[];
  remote?: string[];
  dynamic?: string[];
  forwardOnly?: boolean;
}

export function sshCommand(): Command {
  return new Command("ssh")
    .alias("shell")
    .description("open a shell on a member, or run a command there")
    .argument("<name>", "the member")
    .argument("[command...]", "the command, after --")
    .option(
      "-t, --tty",
      "give the command a terminal; -tt also when there is none here",
      (_, before?: number) => (before ?? 0) + 1,
    )
    .option("-A, --agent", "let the member use this host's SSH agent")
    .option("-L, --local <forward>", "a port here that leads to one on the member's side; repeat it", collect)
    .option("-R, --remote <forward>", "a port on the member that leads to one on this side; repeat it", collect)
    .option("-D, --dynamic <forward>", "a SOCKS proxy here, whose connections begin on the member; repeat it", collect)
    .option("-N, --forward-only", "run nothing: only forward, until Ctrl-C")
    .passThroughOptions()
    .addHelpText(
      "after",
      `
Of a COMMAND of several words each reaches the program as it stands here: fleetbox ssh a -- echo '$HOME'
prints $HOME. A COMMAND of one word is a line for the guest's shell: fleetbox ssh a -- 'echo $HOME | wc -c'.
The exit code is the command's (255: ssh itself failed). Uses the system's ssh; ~/.ssh is not read.

-A, -L, -R, -D and -N are ssh's own, and stand before the name; see ssh(1). Their forwards end with the
session; a port that cannot be opened ends it at once. fleetbox forward makes some that are kept. For ssh's
other options: fleetbox ssh-config a > hosts && ssh -F hosts OPTIONS a. With -A, root of the guest can use your
agent while the session lasts.

Examples:
  fleetbox ssh a
  fleetbox ssh a -- ping -c1 b
  fleetbox ssh -t a -- top
  fleetbox ssh -N -L 8080:localhost:80 a
  fleetbox ssh -A -R 5432:localhost:5432 a
  fleetbox ssh -D 1080 a`,
    )
    .action(async (word: string, words: string[], flags: Flags) => {
      const name = checkName(word);
      checkPlace("ssh", name, words);
      const command = words[0] === "--" ? words.slice(1) : words;
      const given = options(flags, command);
      const store = openStore();
      const member = await reach(store, name);
      const line = remoteCommand(command);
      checkLine(member, line);
      const args = sshArguments(store, member.ssh, { given, command: line });
      Deno.exitCode = await runClient("ssh", args, store, [name]);
    });
}

/** The options for the ssh client. @throws {FleetboxError} for those that could have no effect */
function options(flags: Flags, command: readonly string[]): string[] {
  const { tty, agent, local = [], remote = [], dynamic = [] } = flags;
  const isOnlyForwarding = flags.forwardOnly === true;
  if (isOnlyForwarding && (command.length > 0 || tty)) {
    throw new FleetboxError("misuse", `-N runs no command; found ${command.length > 0 ? "a command" : "-t"} too`, {
      hint: "Leave out one of both.",
    });
  }
  if (agent && !Deno.env.get("SSH_AUTH_SOCK")) {
    throw new FleetboxError("unavailable", "No SSH agent runs here, which -A needs: SSH_AUTH_SOCK is not set", {
      hint: `Start one: eval "$(ssh-agent)" && ssh-add`,
    });
  }
  const forwards = [
    ...local.flatMap((one) => ["-L", one]),
    ...remote.flatMap((one) => ["-R", one]),
    ...dynamic.flatMap((one) => ["-D", one]),
  ];
  return [
    ...(tty ? [tty > 1 ? "-tt" : "-t"] : []),
    ...(agent ? ["-A"] : []),
    ...(isOnlyForwarding ? ["-N"] : []),
    ...(forwards.length > 0 ? ["-o", "ExitOnForwardFailure=yes"] : []),
    ...forwards,
  ];
}
