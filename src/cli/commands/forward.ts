/** `fleetbox forward`: ports of this host's loopback that lead to ports of a member, while it runs. */

import { Command } from "../arguments/parser.ts";
import { addForward, removeForwards } from "../../control/forwards.ts";
import { forwardsOf } from "../../control/observe.ts";
import { FleetboxError } from "../../core/errors.ts";
import { forwardText, parseForward } from "../../store/forwards.ts";
import { checkName } from "../../core/names.ts";
import type { PortForward } from "../../core/options.ts";
import type { ForwardReport } from "../../wire.ts";
import { requireAndAdopt } from "../adopt_and_tell.ts";
import { forwardLine } from "../member_view.ts";
import { say, sayJson, warn } from "../terminal/output.ts";
import { openStore, requireMember } from "../arguments/store_access.ts";

interface Flags {
  remove?: boolean;
  json?: boolean;
}

export function forwardCommand(): Command {
  return new Command("forward")
    .description("forward ports of this host to a member; list them, without a port; remove them")
    .argument("<name>", "the member")
    .argument("[ports...]", "HOST_PORT:GUEST_PORT, or GUEST_PORT alone for any free port of this host")
    .option("--remove", "remove the forwards; connections through them live on")
    .option("--json", "one JSON object")
    .addHelpText(
      "after",
      `
TCP, from 127.0.0.1 of this host alone. Forwards are kept with the member, over stop and up, until they are
taken away or the member is removed; those of a member that is stopped are open when it runs again. A host port
belongs to one member at a time.

--json: {"name","forwards":[{"host_port","guest_port","open","problem"?}],"added"?,"removed"?}

Examples:
  fleetbox forward web 8080:80
  fleetbox forward web 443
  fleetbox forward web
  fleetbox forward web 8080:80 --remove`,
    )
    .action(async (word: string, ports: string[], flags: Flags) => {
      const wishes = ports.map((text) => parseForward(text));
      const name = checkName(word);
      if (flags.remove && wishes.length === 0) {
        throw new FleetboxError("misuse", "Nothing to remove: expected the ports, such as 8080:80", {
          hint: `List its port forwards: fleetbox forward ${name}`,
        });
      }
      const store = openStore();
      await requireAndAdopt(store, [name]);
      const done: PortForward[] = [];
      for (const wish of wishes) {
        if (flags.remove) done.push(...await removeForwards(store, name, wish));
        else done.push(await addForward(store, name, wish));
      }
      tell(name, forwardsOf(await requireMember(store, name)), done, flags);
    });
}

function tell(name: string, forwards: ForwardReport[], done: PortForward[], { json, remove }: Flags): void {
  if (json) {
    const changed = done.length === 0 ? {} : remove ? { removed: done } : { added: done };
    return sayJson({ name, forwards, ...changed });
  }
  if (remove) return done.forEach((one) => say(`${forwardText(one)} removed`));
  const told = done.length === 0
    ? forwards
    : done.map(({ host_port }) => forwards.find((one) => one.host_port === host_port)!);
  if (told.length === 0) warn(`no port leads to ${name}: fleetbox forward ${name} 8080:80`);
  for (const one of told) say(forwardLine(one));
}
