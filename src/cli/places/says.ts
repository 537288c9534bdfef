/** What a place says of a member that does not answer a client here: it is stopped, orphaned, or there is none. */

import { commandThere, PlaceConnection } from "../../control/places/connection.ts";
import { FleetboxError, fromWireError } from "../../core/errors.ts";
import { ProcessError } from "../../system/process.ts";
import { Store } from "../../store.ts";
import { environmentFor, requirePlace } from "./there.ts";

/** Why a member cannot be reached, in fleetbox's own words there; undefined: it can by now. */
export async function whyNotReached(place: string, member: string): Promise<FleetboxError | undefined> {
  const store = Store.fromEnvironment();
  const connection = new PlaceConnection(store, requirePlace(store, place));
  const { FLEETBOX_THERE: _, ...env } = environmentFor(requirePlace(store, place));
  try {
    await connection.command(commandThere(requirePlace(store, place), env, ["ssh-config", member, "--json"]));
    return undefined;
  } catch (thrown) {
    if (!(thrown instanceof ProcessError)) throw thrown;
    const line = thrown.stderr.split("\n").find((one) => one.startsWith('{"event":"error"'));
    if (line === undefined) throw connection.unreachable(thrown);
    return fromWireError(JSON.parse(line));
  }
}
