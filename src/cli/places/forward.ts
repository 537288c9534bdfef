/** `forward --on PLACE`: ports of this host that lead to a member there. */

import { type PlacePort, PlacePorts } from "../../control/places/ports.ts";
import { FleetboxError } from "../../core/errors.ts";
import type { ForwardWish, PortForward } from "../../core/options.ts";
import { addressOf, endKey, sideOf } from "../../core/port_forwards.ts";
import { forwardText } from "../../store/forwards.ts";
import type { PlaceConnection } from "../../control/places/connection.ts";
import { requirePlace } from "../../control/places/known.ts";
import type { ForwardReport } from "../../wire.ts";
import type { Place } from "../../store/places.ts";
import { Store } from "../../store.ts";
import type { CurrentPlace } from "./current.ts";
import { askOver } from "./says.ts";

/** What was asked for, and all that lead to the member now. */
export interface Forwarded {
  forwards: ForwardReport[];
  done: PortForward[];
}

/** Lists a member's ports, opens some, or removes them. Those that a lost connection has closed are opened again. */
export async function forwardAtPlace(
  { name: placeName, connection, env }: CurrentPlace,
  name: string,
  wishes: readonly ForwardWish[],
  { remove }: { remove?: boolean },
): Promise<Forwarded> {
  const store = Store.fromEnvironment();
  const place = requirePlace(store, placeName);
  const ports = new PlacePorts(store, connection!);
  await connection!.open();
  const ask = async (...words: string[]) =>
    await askOver(connection!, place, ["forward", name, ...words, "--json"], env) as Forwarded;
  let { forwards: there } = await ask(); // or why it cannot be
  const problems = new Map((await ports.open()).map((port) => [endKey(port), port.problem]));
  const done: PlacePort[] = [];
  for (const wish of wishes) {
    checkLeads(wish);
    if (remove) {
      const gone = await removed(placeName, name, ports, wish);
      done.push(...gone);
      for (const port of gone) {
        const isUsed = ports.list().some((one) => one.member === name && one.there === port.there);
        if (port.made && !isUsed) await ask(`${port.there}:${port.guest_port}`, "--remove");
      }
      continue;
    }
    const isIt = (one: PortForward) => one.guest_port === wish.guest_port && !one.protocol && !one.address;
    const before = there.find(isIt);
    if (!before) there = (await ask(String(wish.guest_port))).forwards;
    const known = ports.list().find((one) => one.member === name && one.guest_port === wish.guest_port);
    const made = before ? known?.made ?? false : true;
    const { host_port } = there.find(isIt)!;
    try {
      done.push(await ports.add({ ...wish, member: name, there: host_port, made }));
    } catch (thrown) {
      if (!before) await ask(`${host_port}:${wish.guest_port}`, "--remove");
      throw thrown;
    }
  }
  const reports = ports.list().filter(({ member }) => member === name).map((port): ForwardReport => {
    const problem = problems.get(endKey(port));
    const open = problem === undefined && there.some((one) => one.host_port === port.there && one.open);
    return { ...forwardOf(port), open, ...(problem === undefined ? {} : { problem }) };
  });
  return { forwards: reports, done: done.map(forwardOf) };
}

/** OpenSSH leads TCP alone. */
function checkLeads({ protocol, guest_port }: ForwardWish): void {
  if (protocol === undefined) return;
  throw new FleetboxError(
    "unavailable",
    `UDP port ${guest_port} of a member at a place cannot lead here: ssh leads TCP`,
    {
      hint: "On that host itself: ssh to it, and fleetbox forward NAME PORT --udp",
    },
  );
}

async function removed(place: string, member: string, ports: PlacePorts, wish: ForwardWish): Promise<PlacePort[]> {
  const all = ports.list().filter((one) => one.member === member && addressOf(one) === addressOf(wish));
  const { host_port, guest_port } = wish;
  const byGuest = all.filter((one) => one.guest_port === guest_port);
  const found = host_port !== undefined
    ? byGuest.filter((one) => one.host_port === host_port)
    : byGuest.length > 0
    ? byGuest
    : all.filter((one) => one.host_port === guest_port);
  if (found.length === 0) {
    throw new FleetboxError(
      "not-found",
      `No port of this host leads to "${member}" at "${place}" as ${forwardText(wish)}`,
      {
        hint: all.length > 0 ? `There are: ${all.map(forwardText).join(", ")}` : "There are none.",
      },
    );
  }
  const keys = found.map(endKey);
  return await ports.remove((one) => keys.includes(endKey(one)));
}

function forwardOf({ host_port, guest_port, address }: PlacePort): PortForward {
  return { host_port, guest_port, ...sideOf({ address }) };
}

/** A command there has changed which members there are: what led to them goes along. */
export async function membersHaveChanged(
  connection: PlaceConnection,
  place: Place,
  words: readonly string[],
): Promise<void> {
  const ports = new PlacePorts(Store.fromEnvironment(), connection);
  if (ports.list().length === 0) return;
  const [command, from, to] = words.filter((word) => !word.startsWith("-"));
  if (["rename", "mv"].includes(command)) return await ports.rename(from, to);
  const views = askOver(connection, place, ["ls", "--json"]) as Promise<{ name: string }[]>;
  // A job ends with its last member, and its ports with it: then it cannot be asked.
  const left = connection.isOfJob ? await views.catch(() => []) : await views;
  await ports.remove(({ member }) => !left.some(({ name }) => name === member));
}
