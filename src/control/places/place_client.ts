/**
 * A client here of members at a place: their holders' sockets and their SSH ports, through the one connection.
 *
 * OpenSSH is the door. A member's socket is forwarded when it is first needed, and its SSH port is reached by `ssh -W`: both
 * are forwards, of which sshd allows as many as there are, not sessions, of which it allows ten.
 */

import { shellCommand } from "../../core/quoting.ts";
import type { Store } from "../../store.ts";
import type { Place } from "../../store/places.ts";
import { exists, removeIfThere, writeDurably } from "../../system/files.ts";
import { ProcessError } from "../../system/process.ts";
import { setDoor } from "./doors.ts";
import type { PlaceConnection } from "./connection.ts";

/**
 * The store that stands for the place's: requests to it reach the members there. The connection is made when it is needed: a
 * member's socket that answers is proof that there is one.
 * @param mayAsk whether OpenSSH may ask on the terminal when the connection is made first @throws {FleetboxError} the place cannot be reached
 */
export async function openPlaceStore(
  place: Place,
  connection: PlaceConnection,
  { mayAsk = false }: { mayAsk?: boolean } = {},
): Promise<Store> {
  const { shadow } = connection;
  const there = (path: string) => pathThere(shadow, place, path);
  let isFirst = true;
  const open = async () => {
    // One that is lost is made again without a question: another program has the terminal by then.
    await connection.open({ quietly: !(mayAsk && isFirst) });
    isFirst = false;
    if (!exists(shadow.key)) await fetchKey(connection, there(shadow.key), shadow.key);
  };
  if (!exists(shadow.key)) await open();
  setDoor(shadow, async (name) => {
    const here = shadow.memberSocket(name);
    await open();
    try {
      await connection.forwardSocket(here, there(here));
    } catch (thrown) {
      if (thrown instanceof ProcessError) throw connection.unreachable(thrown);
      throw thrown;
    }
  });
  return shadow;
}

/** Paths in the store that stands for the place's are the same as there. */
function pathThere(shadow: Store, place: Place, path: string): string {
  return `${place.store}${path.slice(shadow.root.length)}`;
}

/** A member is gone: its socket here leads nowhere any more. Never fails. */
export async function stopForwardingMember(
  shadow: Store,
  place: Place,
  connection: PlaceConnection,
  name: string,
): Promise<void> {
  const here = shadow.memberSocket(name);
  if (!exists(here)) return;
  await connection.stopForwardingSocket(here, pathThere(shadow, place, here));
  removeIfThere(here);
}

/** The key of the members there; the first `up` there makes it. */
async function fetchKey(connection: PlaceConnection, there: string, here: string): Promise<void> {
  const key = await connection.shell('[ ! -e "$1" ] || cat "$1"', [there]);
  const begin = key.indexOf("-----BEGIN");
  if (begin >= 0) await writeDurably(here, key.slice(begin));
}

/** ssh's ProxyCommand to a member's port there. */
export function proxyCommand(connection: PlaceConnection): string {
  const marks = ["-W", "PLACE:PORT"];
  // A % of ours is doubled once more: ssh expands those of this command before it runs it.
  const line = shellCommand(["ssh", ...connection.args(marks)]).replaceAll("%", "%%");
  return line.replace("PLACE:PORT", "'[%h]:%p'");
}
