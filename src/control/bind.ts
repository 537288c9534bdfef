/** The client's side of the bound lifetime: a connection that stays open until the client ends for any reason. */

import { clip } from "../core/bytes.ts";
import { LATE, within } from "../core/deadline.ts";
import { FleetboxError } from "../core/errors.ts";
import type { HolderProcess } from "../system/process.ts";
import { connectUnix, type UnixConnection } from "../system/sockets.ts";
import type { Store } from "../store.ts";
import { PROTOCOL_VERSION } from "../wire.ts";

/** The control socket exists before the holder says that it serves; foreign helpers may be a moment late. */
const CONTROL_TRIES = 10;
const CONTROL_RETRY_MS = 50;

/**
 * The handshake of the bound lifetime: `bind`, the version, `ack`; then the connection stays open. Undefined when there
 * is no control socket: the holder still watches the process id of its parent.
 */
export async function bind(
  store: Store,
  first: string,
  holder: HolderProcess,
  limitMs: number,
): Promise<UnixConnection | undefined> {
  let connection: UnixConnection | undefined;
  for (let tries = 0; !connection && tries < CONTROL_TRIES; tries++) {
    if (tries > 0 && await within(CONTROL_RETRY_MS, holder.exited) !== LATE) return undefined;
    connection = await connectUnix(store.controlSocket(first));
  }
  if (!connection) return undefined;
  try {
    await connection.write("bind\n");
    const version = await within(limitMs, connection.read());
    // A group that failed at once is gone with its holder; waiting for its members reports the failure.
    if (version === "" && await within(limitMs, holder.exited) !== LATE) return undefined;
    if (version !== LATE && version.trim() === String(PROTOCOL_VERSION)) {
      await connection.write("ack\n");
      return connection;
    }
    const spoken = version === LATE || version === ""
      ? "does not say which version of the protocol it speaks"
      : `speaks version ${JSON.stringify(clip(version.trim(), 20))} of the protocol`;
    throw new FleetboxError("protocol", `The holder ${spoken}, expected version ${PROTOCOL_VERSION}`, {
      hint: "Install a client and a helper of the same version.",
    });
  } catch (thrown) {
    connection.close();
    if (thrown instanceof FleetboxError) throw thrown;
    if (await within(limitMs, holder.exited) !== LATE) return undefined;
    throw new FleetboxError("protocol", "The holder closed its control connection", { cause: thrown });
  }
}
