/** `fleetbox ssh-config`: members as hosts for ssh, scp, rsync, Ansible and editors. */

import { Command } from "../arguments/parser.ts";
import { lazyModule } from "../../core/lazy_modules.ts";
import { atPlace, currentPlace } from "../places/current.ts";
import { parseNames } from "../arguments/name_arguments.ts";
import { observeAll, observeGroups, orphanGroup } from "../../control/observe.ts";
import { sayJson, warn, write } from "../terminal/output.ts";
import { reachedOf } from "../ssh/look_for_endpoint.ts";
import { sshConfigBlock } from "../arguments/ssh_arguments.ts";
import { openStore } from "../arguments/open_store.ts";
import { requireMember } from "../arguments/store_access.ts";

export function sshConfigCommand(): Command {
  return new Command("ssh-config")
    .description("print members as Host blocks for ssh_config")
    .argument("[names...]", "members (default: all running ones)")
    .option("--json", 'one JSON array: [{"name","host","port","user","identity_file"}]')
    .addHelpText(
      "after",
      `
To have the members in every ssh, put "Include ~/.fleetbox/ssh_config" at the top of ~/.ssh/config, and write that file
after each up: ports change when a member boots.

Examples:
  fleetbox ssh-config > hosts && scp -F hosts file a:
  fleetbox ssh-config > ~/.fleetbox/ssh_config`,
    )
    .action(async (words: string[], flags: { json?: boolean }) => {
      const store = openStore();
      const names = words.length > 0 ? parseNames(words) : await namesThere();
      const members = names
        ? await Promise.all(names.map((name) => requireMember(store, name)))
        : (await observeAll(store, 1_000)).members.filter(({ report }) => report?.state === "running" && report.ssh);
      if (members.length === 0 && !flags.json) return warn(atPlace("no member runs: fleetbox up a"));
      const groups = observeGroups(store);
      const hosts = members.map((member) => ({
        name: member.name,
        endpoint: reachedOf(member, () => orphanGroup(groups, member.name) !== undefined).ssh,
      }));
      if (flags.json) {
        return sayJson(hosts.map(({ name, endpoint }) => ({ name, ...endpoint, identity_file: store.key })));
      }
      write(hosts.map(({ name, endpoint }) => sshConfigBlock(store, name, endpoint)).join("\n"));
    });
}

/** All that run at the place whose client this is; undefined: it is of this host, whose store says it. */
async function namesThere(): Promise<string[] | undefined> {
  const place = currentPlace();
  if (!place) return undefined;
  const { runningThere } = await lazyModule<typeof import("../places/says.ts")>("src/cli/places/says.ts");
  return await runningThere(place.name);
}
