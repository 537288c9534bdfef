/** Changes a member's port forwards, whether it runs or not: by the holder that serves it, else in the store. */

import { codeOf, FleetboxError } from "../core/errors.ts";
import type { ForwardWish, PortForward } from "../core/options.ts";
import { dropForward, forwardStopped, forwardText } from "../store/forwards.ts";
import type { Store } from "../store.ts";
import { forward, unforward } from "./members.ts";
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
    found.map(({ host_port }) =>
      change(store, name, () => unforward(store, name, host_port), () => dropForward(store, name, host_port))
    ),
  );
}

/** The forwards for the ports of `--remove`: a single number is the guest's port, or the host's when no guest port matches. */
function chosenForwards<T extends PortForward>(
  all: readonly T[],
  { host_port, guest_port }: ForwardWish,
): T[] {
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
      return (await observeMember(store, name)).report ? undefined : await stopped();
    });
    if (written !== undefined) return written;
  }
  throw refusal ??
    new FleetboxError("conflict", `"${name}" is being started and stopped repeatedly`, { hint: "Try again." });
}
