/** The home of a call's machines: its `on`, else `FLEETBOX_PLACE`, else this host. */

import { requirePlace } from "../../control/places/known.ts";
import { variable } from "../../core/environment.ts";
import { HERE } from "../../store/places.ts";
import { Store } from "../../store.ts";
import { EngineHome } from "./engine_home.ts";
import { type Home, LocalHome } from "./home.ts";
import { PlaceHome } from "./place_home.ts";

/** Which home a call asks for. */
export interface HomeWish {
  /** This host's store. */
  store?: string;
  on?: string;
}

/** One each: their groups share a connection. */
const PLACES = new Map<string, Home>();

/** @throws {FleetboxError} `misuse`, `denied`: its store; `not-found`, `damaged`: its place */
export function homeOf(wish: HomeWish): Home {
  const store = storeOf(wish);
  const name = placeOf(wish);
  if (name === undefined) return new LocalHome(store);
  const place = requirePlace(store, name);
  const key = JSON.stringify([store.root, place]); // one that was added again is another one
  const home = PLACES.get(key) ?? (place.engine ? new EngineHome(store, place) : new PlaceHome(store, place));
  PLACES.set(key, home);
  return home;
}

/** The name of the place; undefined: this host. */
export function placeOf({ on = variable("FLEETBOX_PLACE") }: HomeWish): string | undefined {
  return on === HERE ? undefined : on;
}

/** This host's store. @throws {FleetboxError} `misuse`, `denied` */
function storeOf({ store }: HomeWish): Store {
  return store === undefined ? Store.fromEnvironment() : Store.at(store);
}
