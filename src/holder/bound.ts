/**
 * The bound lifetime, holder's side: the control socket and the watch on the parent process.
 *
 * The client connects, sends `bind`, is told the version, sends `ack`, and holds the connection. From then on its end of
 * file means that the client is gone, whatever killed it. A connection that closes before its `ack` means nothing. The
 * other way to notice is the parent's process id: it changes when the parent is dead.
 */

import { identify } from "../process.ts";
import { removeIfThere } from "../store.ts";
import { PROTOCOL_VERSION } from "../wire.ts";
import { log } from "./log.ts";
import { readRequest } from "./serve.ts";

const PARENT_CHECK_MS = 1_000;

/** Calls `onGone` once, when the client is gone. Returns how to end the watch. */
export function watchClient(socket: string, parent: number, onGone: (why: string) => void): () => void {
  let isOver = false;
  const gone = (why: string) => {
    if (isOver) return;
    isOver = true;
    onGone(why);
  };
  removeIfThere(socket);
  const listener = Deno.listen({ transport: "unix", path: socket });
  Deno.chmodSync(socket, 0o600);
  void (async () => {
    try {
      for (;;) void hold(await listener.accept(), gone);
    } catch { /* closed by us */ }
  })();
  const first = parentPid();
  const timer = setInterval(() => {
    if (parentPid() !== first || !identify(parent)) gone(`process ${parent} is gone`);
  }, PARENT_CHECK_MS);
  return () => {
    isOver = true;
    clearInterval(timer);
    try {
      listener.close();
    } catch { /* twice */ }
    removeIfThere(socket);
  };
}

async function hold(conn: Deno.UnixConn, gone: (why: string) => void): Promise<void> {
  try {
    if (await readRequest(conn) !== "bind") return;
    await conn.write(new TextEncoder().encode(String(PROTOCOL_VERSION)));
    const buffer = new Uint8Array(256);
    let text = "";
    while (!text.includes("ack")) {
      const count = await conn.read(buffer);
      if (count === null || text.length > 1024) return;
      text += new TextDecoder().decode(buffer.subarray(0, count));
    }
    try {
      while (await conn.read(buffer) !== null);
    } catch { /* a reset is an end, too */ }
    gone("the control connection ended");
  } catch (thrown) {
    log(`control: ${thrown}`);
  } finally {
    try {
      conn.close();
    } catch { /* gone already */ }
  }
}

/** The parent's process id now: field 4 of `/proc/self/stat`, which changes when the parent dies. */
function parentPid(): number {
  try {
    const stat = Deno.readTextFileSync("/proc/self/stat");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return Deno.ppid;
  }
}
