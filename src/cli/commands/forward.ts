/** `fleetbox forward`: ports of this host's loopback that lead to ports of a member, while it runs. */

import { Command } from "../arguments/parser.ts";
import { forward, unforward } from "../../control.ts";
import { codeOf, FleetboxError } from "../../core/errors.ts";
import { dropForward, forwardStopped, forwardText, parseForward } from "../../store/forwards.ts";
import { checkName } from "../../core/names.ts";
import type { ForwardWish, PortForward } from "../../core/options.ts";
import type { Store } from "../../store.ts";
import type { ForwardReport } from "../../wire.ts";
import { forwardLine, viewOf } from "../member_view.ts";
import { observeGroups } from "../../control/observe.ts";
import { say, sayJson, warn } from "../terminal/output.ts";
import { openStore, requireMember } from "../arguments/store_access.ts";
import { adoptAndConnect, adoptedNote } from "../../control/adopt.ts";

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
      await requireMember(store, name);
      const taken = await adoptAndConnect(store, [name]);
      if (taken.length > 0) warn(adoptedNote(taken));
      const done: PortForward[] = [];
      for (const wish of wishes) {
        if (flags.remove) done.push(...await remove(store, name, wish));
        else done.push(await add(store, name, wish));
      }
      tell(name, await forwardsOf(store, name), done, flags);
    });
}

/** How often it tries while members start and stop. */
const TRIES = 5;

/** Through the member's holder, else in the store: a new holder waits for the member's lock. */
async function change<T>(
  store: Store,
  name: string,
  served: () => Promise<T | undefined>,
  stopped: () => Promise<T>,
): Promise<T> {
  let refusal: unknown;
  for (let tries = 0; tries < TRIES; tries++) {
    const done = await served().catch((thrown) => {
      // The holder is releasing the member, or it has no such forward: the config decides.
      if (codeOf(thrown) === "not-found") return void (refusal = thrown);
      throw thrown;
    });
    if (done !== undefined) return done;
    const written = await store.withMemberLock(name, async () => {
      return (await requireMember(store, name)).report ? undefined : await stopped();
    });
    if (written !== undefined) return written;
  }
  throw refusal ??
    new FleetboxError("conflict", `"${name}" is being started and stopped repeatedly`, { hint: "Try again." });
}

async function add(store: Store, name: string, wish: ForwardWish): Promise<PortForward> {
  return await change(store, name, () => forward(store, name, wish), () => forwardStopped(store, name, wish));
}

async function remove(store: Store, name: string, wish: ForwardWish): Promise<PortForward[]> {
  const all = await forwardsOf(store, name);
  const found = chosen(all, wish);
  if (found.length === 0) {
    throw new FleetboxError("not-found", `"${name}" has no forward ${forwardText(wish)}`, {
      hint: all.length > 0 ? `It has ${all.map(forwardText).join(", ")}` : "It has none.",
    });
  }
  return await Promise.all(
    found.map(({ host_port }) =>
      change(store, name, () => unforward(store, name, host_port), () => dropForward(store, name, host_port))
    ),
  );
}

/**
 * The forwards for the ports of `--remove`: a single number is the guest's port, or the host's when no guest port
 * matches.
 */
export function chosen<T extends PortForward>(all: readonly T[], { host_port, guest_port }: ForwardWish): T[] {
  if (host_port !== undefined) {
    return all.filter((one) => one.host_port === host_port && one.guest_port === guest_port);
  }
  const found = all.filter((one) => one.guest_port === guest_port);
  return found.length > 0 ? found : all.filter((one) => one.host_port === guest_port);
}

async function forwardsOf(store: Store, name: string): Promise<ForwardReport[]> {
  return viewOf(await requireMember(store, name), observeGroups(store)).forwards ?? [];
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
