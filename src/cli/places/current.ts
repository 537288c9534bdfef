/**
 * The place that this command is of: as a client here of members there, or as the command that a client runs there. What it
 * says names members as the client's user has to.
 */

import { variable } from "../../core/environment.ts";
import type { PlaceConnection } from "../../control/places/connection.ts";
import type { Store } from "../../store.ts";

export interface CurrentPlace {
  name: string;
  /** Stands for the store there. */
  store: Store;
  /** ssh's ProxyCommand. */
  proxy: string;
  /** To the host of its members. Absent: none of them runs. */
  connection?: PlaceConnection;
  /** Further variables for fleetbox there. @default none */
  env?: Record<string, string>;
}

let current: CurrentPlace | undefined;

export function useCurrentPlace(place: CurrentPlace): void {
  current = place;
}

/** The place whose client this command is; undefined: it is of this host. */
export function currentPlace(): CurrentPlace | undefined {
  return current;
}

/** The name of the place that this command is of, for what it says. */
function placeName(): string | undefined {
  return current?.name ?? variable("FLEETBOX_THERE");
}

/** A member as its user names it: `a`, or `a@big`. @param place another one than this command's */
export function withPlace(name: string, place: string | undefined = placeName()): string {
  return place === undefined ? name : `${name}@${place}`;
}

/** Commands in a hint, as they have to be typed: `fleetbox up a` is `fleetbox up --on big a`. */
export function atPlace(text: string): string {
  const place = placeName();
  if (place === undefined) return text;
  return text.replace(
    /\bfleetbox (?!place |help |completion |config )([a-z][a-z-]*)(?! --on)\b/g,
    `fleetbox $1 --on ${place}`,
  );
}
