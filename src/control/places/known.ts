/** The places that are known here, and what a program there is told by its environment. */

import { variablesForPlaces } from "../../core/environment.ts";
import { FleetboxError } from "../../core/errors.ts";
import { suggestion } from "../../core/nearest.ts";
import type { Store } from "../../store.ts";
import { type Place, placeNames, readPlace } from "../../store/places.ts";

/** @throws {FleetboxError} `not-found` */
export function requirePlace(store: Store, name: string): Place {
  const place = readPlace(store, name);
  if (place) return place;
  const names = placeNames(store);
  throw new FleetboxError("not-found", `There is no place "${name}"`, {
    hint: suggestion(name, names, true) ?? `Add it: fleetbox place add ${name} ssh://me@host`,
  });
}

/** What a command there is told by its environment. */
export function environmentFor(place: Place): Record<string, string> {
  // Else the place's own variable would send the command on.
  return { ...variablesForPlaces(), FLEETBOX_HOME: place.store, FLEETBOX_PLACE: "", FLEETBOX_THERE: place.name };
}
