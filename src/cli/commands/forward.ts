/** `fleetbox forward`: ports of this host that lead to ports of a member, while it runs. */

import { Command } from "../arguments/parser.ts";
import { addForward, removeForwards } from "../../control/forwards.ts";
import { forwardsOf } from "../../control/observe.ts";
import { FleetboxError } from "../../core/errors.ts";
import { forwardText, parseForward } from "../../store/forwards.ts";
import { checkName } from "../../core/names.ts";
import type { ForwardWish, PortForward } from "../../core/options.ts";
import { addressOf, checkSide, endKey } from "../../core/port_forwards.ts";
import type { ForwardReport } from "../../wire.ts";
import { requireAndAdopt } from "../adopt_and_tell.ts";
import { forwardLine, publicPorts } from "../member_view.ts";
import { currentPlace, withPlace } from "../places/current.ts";
import { forwardAtPlace } from "../places/forward.ts";
import { say, sayJson, warn } from "../terminal/output.ts";
import { openStore } from "../arguments/open_store.ts";
import { requireMember } from "../arguments/store_access.ts";

interface Flags {
  udp?: boolean;
  address?: string;
  remove?: boolean;
  json?: boolean;
}

export function forwardCommand(): Command {
  return new Command("forward")
    .description("forward ports of this host to a member; list them, without a port; remove them")
    .argument("<name>", "the member")
    .argument("[ports...]", "HOST_PORT:GUEST_PORT, or GUEST_PORT alone for any free port of this host")
    .option("--udp", "the ports are of UDP; 53:53/udp is the same for one of them")
    .option("--address <address>", "the address of this host to listen on: 0.0.0.0 for all (default: 127.0.0.1)")
    .option("--remove", "remove the forwards; connections through them live on")
    .option("--json", "one JSON object")
    .addHelpText(
      "after",
      `
TCP, from 127.0.0.1 of this host alone, unless you say otherwise. Forwards are kept with the member, over stop and
up, until they are taken away or the member is removed; those of a member that is stopped are open when it runs
again. A host port belongs to one member at a time. A port is also written [ADDRESS:][HOST_PORT]:GUEST_PORT[/udp].

Other hosts can use a port of 0.0.0.0 or of an address of your network, also into a member with --egress off: its
guest must be safe against them. With --on a port of this host leads to a member there, by an SSH connection that stays until
the last such port is removed, or the member's job is over. Answers by UDP that do not fit one packet (1472 bytes) are lost.

--json: {"name","forwards":[{"host_port","guest_port","protocol"?,"address"?,"open","problem"?}],"added"?,"removed"?}

Examples:
  fleetbox forward web 8080:80
  fleetbox forward web 443
  fleetbox forward web
  fleetbox forward dns 5353:53 --udp
  fleetbox forward web 8080:80 --address 0.0.0.0
  fleetbox forward web 8080:80 --remove`,
    )
    .action(async (word: string, ports: string[], flags: Flags) => {
      const wishes = ports.map((text) => wishOf(text, flags));
      const name = checkName(word);
      if (flags.remove && wishes.length === 0) {
        throw new FleetboxError("misuse", "Nothing to remove: expected the ports, such as 8080:80", {
          hint: `List its port forwards: fleetbox forward ${name}`,
        });
      }
      if (wishes.length === 0 && (flags.udp || flags.address !== undefined)) {
        throw new FleetboxError(
          "misuse",
          `No ports for ${flags.udp ? "--udp" : "--address"}; expected some, such as 5353:53`,
          {
            hint: `List its port forwards: fleetbox forward ${name}`,
          },
        );
      }
      const place = currentPlace();
      if (place) {
        const { forwards, done } = await forwardAtPlace(place, name, wishes, flags);
        if (!flags.remove) publicPorts(name, done).forEach(warn);
        return tell(name, forwards, done, flags);
      }
      const store = openStore();
      await requireAndAdopt(store, [name]);
      const done: PortForward[] = [];
      let failure: unknown;
      try {
        for (const wish of wishes) {
          if (flags.remove) done.push(...await removeForwards(store, name, wish));
          else done.push(await addForward(store, name, wish));
        }
      } catch (thrown) {
        if (done.length === 0) throw thrown;
        failure = thrown; // those before it are made, or removed, and told
      }
      if (!flags.remove) publicPorts(name, done).forEach(warn);
      tell(name, forwardsOf(await requireMember(store, name)), done, flags);
      if (failure !== undefined) throw failure;
    });
}

/** A port as the command line has it, with the options for all of them. @throws {FleetboxError} `misuse` */
function wishOf(text: string, { udp, address }: Flags): ForwardWish {
  const wish = parseForward(text);
  const asked = checkSide({ protocol: udp ? "udp" : undefined, address });
  const refuse = (option: string) => {
    throw new FleetboxError("misuse", `${JSON.stringify(text)} contradicts ${option}`, {
      hint: "Leave out one of both.",
    });
  };
  if (udp && /\/tcp$/i.test(text)) refuse("--udp");
  const isWritten = wish.address !== undefined || text.split(":").length > 2;
  if (address !== undefined && isWritten && addressOf(wish) !== addressOf(asked)) refuse(`--address ${address}`);
  return { ...wish, ...asked };
}

function tell(name: string, forwards: ForwardReport[], done: PortForward[], { json, remove }: Flags): void {
  if (json) {
    const changed = done.length === 0 ? {} : remove ? { removed: done } : { added: done };
    return sayJson({ name, forwards, ...changed });
  }
  if (remove) return done.forEach((one) => say(`${forwardText(one)} removed`));
  const told = done.length === 0 ? forwards : done.map((made) => forwards.find((one) => endKey(one) === endKey(made))!);
  if (told.length === 0) warn(`no port leads to ${withPlace(name)}: fleetbox forward ${withPlace(name)} 8080:80`);
  for (const one of told) say(forwardLine(one));
}
