/** The user's store. */

import { Store } from "../../store.ts";
import { currentPlace } from "../places/current.ts";

/** The store; of a client of a place the one that stands for its store. @throws {FleetboxError} `misuse`: no home, or a path too deep for sockets. */
export function openStore(): Store {
  return currentPlace()?.store ?? Store.fromEnvironment();
}
