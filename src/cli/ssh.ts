/** `fleetbox ssh`: a shell on a member, or one command there. */

import { Command } from "commander";
import { FleetboxError } from "../errors.ts";
import { checkName } from "../names.ts";
import type { SshEndpoint } from "../wire.ts";
import { type MemberFacts, observeGroups, orphanGroup } from "./observe.ts";
import { remoteCommand } from "./quoting.ts";
import { sshArguments } from "./ssh_arguments.ts";
import { runClient } from "./ssh_client.ts";
import { openStore, requireMember } from "./store_access.ts";

export function sshCommand(): Command {
  return new Command("ssh")
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
      const member = await requireMember(store, checkName(word));
      const endpoint = endpointOf(member, () => orphanGroup(observeGroups(store), member.name) !== undefined);
      const args = sshArguments(store, endpoint, { tty: flags.tty, command: remoteCommand(command) });
      Deno.exitCode = await runClient("ssh", args);
    });
}

/** Where a member answers: one that runs, or whose cloud-init is at work. @throws {FleetboxError} `conflict`: it does not run. */
export function endpointOf({ name, report, silence }: MemberFacts, isOrphan: () => boolean): SshEndpoint {
  if (silence) throw silence;
  if (report?.running && report.ssh) return report.ssh;
  const refuse = (found: string, hint: string) =>
    new FleetboxError("conflict", `Cannot reach "${name}": it ${found}`, { hint });
  if (!report && isOrphan()) throw refuse("is without a holder, which was killed", `Take it back: fleetbox up ${name}`);
  if (!report || report.state === "stopped") throw refuse("is not running", `Boot it: fleetbox up ${name}`);
  if (report.state === "error") {
    throw refuse(
      `failed: ${report.failure?.message ?? report.error ?? "?"}`,
      `Look at its console: fleetbox logs ${name}`,
    );
  }
  throw refuse(`is still booting (${report.stage ?? report.state})`, `Wait for it: fleetbox wait ${name}`);
}
