/**
 * The bound lifetime, holder's side: how a holder notices that its client is gone.
 *
 * There are two ways, and either is enough. {@link watchParent}: the process id of our parent changes when the parent
 * is dead; this is watched during the holder's whole life. {@link listenForClient}: the client connects to the control
 * socket, sends `bind`, gets the version, sends `ack`, and keeps the connection open; from then on its end of file
 * means that the client is gone, for any cause. A connection that closes before its `ack` means nothing. `holder.ts`
 * then ends the group.
 */

import { pause, startLimit } from "../../core/deadline.ts";
import { host } from "../../system/os.ts";
import { identify, isAlive } from "../../system/process.ts";
import { removeIfThere, storeError } from "../../system/files.ts";
import { PROTOCOL_VERSION, REQUEST_TIMEOUT_MS } from "../../wire.ts";
import { log } from "../log.ts";
import { readRequest } from "./read_request.ts";

/** Twice a second, so that the group can end within two. */
const PARENT_CHECK_MS = 500;
/** What may precede the `ack` in its connection. */
const MAX_ACK_BYTES = 1024;

interface ParentWatchOptions {
  /** Our parent's process id, now. @default the system's answer */
  parentNow?: () => number;
  /** @default 500 */
  everyMs?: number;
}

/**
 * Calls `onGone` once, when the client is gone: it died, or we have another parent than at the start (the client's own
 * process id, or that of a wrapper which it started us with). Returns the function that ends the watch.
 */
export function watchParent(
  client: number,
  onGone: (why: string) => void,
  options: ParentWatchOptions = {},
): () => void {
  const { parentNow = () => host().parentPid(), everyMs = PARENT_CHECK_MS } = options;
  const identity = identify(client);
  const first = parentNow();
  const isGone = () => identity === undefined || !isAlive(identity) || parentNow() !== first;
  let timer: ReturnType<typeof setTimeout>;
  const check = () => {
    if (isGone()) onGone(`process ${client} is gone`);
    else timer = setTimeout(check, everyMs);
  };
  timer = setTimeout(check, 0);
  return () => clearTimeout(timer);
}

/**
 * Listens on the control socket and calls `onGone` when an acknowledged connection has ended. Returns the function that
 * ends it.
 * @throws {FleetboxError} the socket cannot be made.
 */
export function listenForClient(socket: string, onGone: (why: string) => void): () => void {
  let listener: Deno.UnixListener;
  try {
    removeIfThere(socket); // the claim to the first member's name is a claim to this one
    listener = Deno.listen({ transport: "unix", path: socket });
    Deno.chmodSync(socket, 0o600);
  } catch (cause) {
    throw storeError(`Cannot listen on the control socket ${socket}`, cause);
  }
  let isOver = false;
  void (async () => {
    while (!isOver) {
      try {
        void hold(await listener.accept(), () => isOver || onGone("its control connection ended"));
      } catch (thrown) {
        if (isOver) return; // closed by us
        log(`control: cannot accept a connection: ${thrown}`);
        await pause(50);
      }
    }
  })();
  return () => {
    if (isOver) return;
    isOver = true;
    listener.close();
    removeIfThere(socket);
  };
}

/** One control connection, from its `bind` to its end. */
async function hold(conn: Deno.UnixConn, onEnd: () => void): Promise<void> {
  const close = () => {
    try {
      conn.close();
    } catch { /* it is already closed */ }
  };
  const endLimit = startLimit(REQUEST_TIMEOUT_MS, close);
  try {
    if (await readRequest(conn) !== "bind") return;
    await conn.write(new TextEncoder().encode(String(PROTOCOL_VERSION)));
    const buffer = new Uint8Array(256);
    for (let text = ""; !text.includes("ack");) {
      const count = await conn.read(buffer);
      if (count === null || text.length > MAX_ACK_BYTES) return;
      text += new TextDecoder().decode(buffer.subarray(0, count));
    }
    endLimit();
    try {
      while (await conn.read(buffer) !== null);
    } catch { /* a reset is an end, too */ }
    onEnd();
  } catch (thrown) {
    log(`control: ${thrown}`);
  } finally {
    endLimit();
    close();
  }
}
