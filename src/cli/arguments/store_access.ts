/** The members that a command names in the user's store. */

import { FleetboxError } from "../../core/errors.ts";
import type { Store } from "../../store.ts";
import { observeAll, observeMember } from "../../control/observe.ts";
import { suggestion } from "../../core/nearest.ts";
import { lazyModule } from "../../core/lazy_modules.ts";
import { currentPlace } from "../places/current.ts";

/** Every member that the store or a holder knows. */
export async function knownNames(store: Store): Promise<string[]> {
  return (await observeAll(store, 1_000)).members.map(({ name }) => name);
}

/** The error for an unknown name, with the likely one, or all names. */
export async function unknownMember(store: Store, name: string): Promise<FleetboxError> {
  const names = await knownNames(store);
  const hint = suggestion(name, names, true) ?? `There are no members yet: fleetbox up ${name}`;
  return new FleetboxError("not-found", `There is no member "${name}"`, { hint });
}

/** A member that must exist. @throws {FleetboxError} `not-found` */
export async function requireMember(store: Store, name: string): Promise<Awaited<ReturnType<typeof observeMember>>> {
  const member = await observeMember(store, name);
  if (member.stored || member.report || member.silence) return member;
  const place = currentPlace();
  if (!place) throw await unknownMember(store, name);
  const { whyNotReached } = await lazyModule<typeof import("../places/says.ts")>("src/cli/places/says.ts");
  const why = await whyNotReached(place.name, name);
  if (why) throw why;
  return await observeMember(store, name); // it has come up just now
}
