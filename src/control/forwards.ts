/** Changes a member's port forwards, whether it runs or not: by the holder that serves it, else in the store. */

import { codeOf, FleetboxError } from "../core/errors.ts";
import type { ForwardWish, PortForward } from "../core/options.ts";
import { type HostEnd, isSameSide, sideOf } from "../core/port_forwards.ts";
import { dropForward, forwardStopped, forwardText } from "../store/forwards.ts";
import type { Store } from "../store.ts";
import { getReport } from "./members.ts";
import { request } from "./requests.ts";
import { forwardsOf, observeMember } from "./observe.ts";

/** How often it tries while members start and stop. */
const TRIES = 5;

/**
 * Makes a port of this host lead to a member's: now, or from its next start.
 * @throws {FleetboxError} `conflict`: the port is another member's or another program's; `denied`; `not-found`
 */
export async function addForward(store: Store, name: string, wish: ForwardWish): Promise<PortForward> {
  return await change(store, name, () => forward(store, name, wish), () => forwardStopped(store, name, wish));
}

/** Removes the forwards for a wish ({@link chosenForwards}), and returns them. @throws {FleetboxError} `not-found` */
export async function removeForwards(store: Store, name: string, wish: ForwardWish): Promise<PortForward[]> {
  const all = forwardsOf(await observeMember(store, name));
  const found = chosenForwards(all, wish);
  if (found.length === 0) {
    throw new FleetboxError("not-found", `"${name}" has no forward ${forwardText(wish)}`, {
      hint: all.length > 0 ? `It has ${all.map(forwardText).join(", ")}` : "It has none.",
    });
  }
  return await Promise.all(
    found.map((one) => {
      const end = { ...sideOf(one), host_port: one.host_port };
      return change(store, name, () => unforward(store, name, end), () => dropForward(store, name, end));
    }),
  );
}

/** The forwards for the ports of `--remove`: a single number is the guest's port, or the host's when no guest port matches. */
function chosenForwards<T extends PortForward>(every: readonly T[], wish: ForwardWish): T[] {
  const { host_port, guest_port } = wish;
  const all = every.filter((one) => isSameSide(one, wish));
  if (host_port !== undefined) {
    return all.filter((one) => one.host_port === host_port && one.guest_port === guest_port);
  }
  const found = all.filter((one) => one.guest_port === guest_port);
  return found.length > 0 ? found : all.filter((one) => one.host_port === guest_port);
}

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
      const { report, silence } = await observeMember(store, name);
      if (silence) throw silence; // another host may have it
      return report ? undefined : await stopped();
    });
    if (written !== undefined) return written;
  }
  throw refusal ??
    new FleetboxError("conflict", `"${name}" is being started and stopped repeatedly`, { hint: "Try again." });
}

/**
 * Makes a port of this host's loopback lead to a member's, now and whenever it runs. Undefined when no holder serves
 * it.
 * @throws {FleetboxError} `conflict`: the port is another member's or another program's; `denied`; `not-found`
 */
export async function forward(store: Store, name: string, wish: ForwardWish): Promise<PortForward | undefined> {
  const before = isSameSide(wish, {}) ? undefined : (await getReport(store, name))?.forwards ?? [];
  const made = await request(store, name, "forward", wish, FORWARD_MS);
  if (!made || isSameSide(made, wish)) return made;
  // A holder of an earlier version, which knows TCP on 127.0.0.1 alone.
  if (!before?.some(({ host_port }) => host_port === made.host_port)) await unforward(store, name, made);
  throw new FleetboxError(
    "conflict",
    `The holder of "${name}" is of an earlier version, which forwards TCP of 127.0.0.1 alone`,
    {
      hint: `Start its group again: stop its members, and then fleetbox up ${name}`,
    },
  );
}

/** Removes a forward and returns it. Undefined when no holder serves the member. @throws {FleetboxError} `not-found` */
export async function unforward(store: Store, name: string, end: HostEnd): Promise<PortForward | undefined> {
  return await request(store, name, "unforward", { host_port: end.host_port, ...sideOf(end) }, FORWARD_MS);
}

/** Includes waiting for a member that is being made, and for a gateway that is being started. */
const FORWARD_MS = 60_000;
