/** What a place says of a member that does not answer a client here: it is stopped, orphaned, or there is none. */

import { commandThere, jsonIn, PlaceConnection } from "../../control/places/connection.ts";
import { environmentFor, requirePlace } from "../../control/places/known.ts";
import type { Place } from "../../store/places.ts";
import type { MemberView } from "../member_view.ts";
import { FleetboxError, fromWireError } from "../../core/errors.ts";
import { ProcessError } from "../../system/process.ts";
import { Store } from "../../store.ts";

/** Why a member cannot be reached, in fleetbox's own words there; undefined: it can by now. */
export async function whyNotReached(place: string, member: string): Promise<FleetboxError | undefined> {
  try {
    await askThere(place, ["ssh-config", member, "--json"]);
    return undefined;
  } catch (thrown) {
    if (thrown instanceof FleetboxError) return thrown;
    throw thrown;
  }
}

/** The names of the members that run there. */
export async function runningThere(place: string): Promise<string[]> {
  const members = await askThere(place, ["ssh-config", "--json"]) as { name: string }[];
  return members.map(({ name }) => name);
}

/** What `ls` there shows. @param env further variables for it */
export async function viewsThere(
  connection: PlaceConnection,
  place: Place,
  { env = {}, signal }: { env?: Record<string, string>; signal?: AbortSignal } = {},
): Promise<MemberView[]> {
  const line = commandThere(place, { ...environmentFor(place), ...env }, ["ls", "--json"]);
  return jsonIn(await connection.command(line, signal)) as MemberView[];
}

/** What a command with `--json` says there. @throws {FleetboxError} its error */
export async function askThere(name: string, words: readonly string[]): Promise<unknown> {
  const store = Store.fromEnvironment();
  const place = requirePlace(store, name);
  return await askOver(new PlaceConnection(store, place), place, words);
}

/** The same over a connection that there is. @param more variables for it */
export async function askOver(
  connection: PlaceConnection,
  place: Place,
  words: readonly string[],
  more: Record<string, string> = {},
): Promise<unknown> {
  const { FLEETBOX_THERE: _, ...env } = environmentFor(place); // hints get the place here
  try {
    return jsonIn(await connection.command(commandThere(place, { ...env, ...more }, words)));
  } catch (thrown) {
    if (!(thrown instanceof ProcessError)) throw thrown;
    const line = thrown.stderr.split("\n").find((one) => one.startsWith('{"event":"error"'));
    throw line === undefined ? connection.unreachable(thrown) : fromWireError(JSON.parse(line));
  }
}
