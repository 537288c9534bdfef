/** A member's serial console, through its holder: a greeting with past output, then bytes both ways. */

import { writeAll } from "../core/bytes.ts";
import { checkName } from "../core/names.ts";
import { closeQuietly, dialUnix } from "../system/sockets.ts";
import type { Store } from "../store.ts";
import { encodeLine } from "../wire.ts";
import { decodedReply } from "./requests.ts";

/** A member's serial console. */
export interface ConsoleStream extends Disposable {
  /** The end of the past output. */
  readonly replay: Uint8Array;
  /** The next output; undefined when the machine or its holder is gone. */
  read(): Promise<Uint8Array | undefined>;
  /** Types. Waits while the guest does not read. @throws when the machine or its holder is gone. */
  write(bytes: Uint8Array): Promise<void>;
}

/**
 * Attaches to a member's serial console; a starting member is silent until its machine runs. Undefined when no holder
 * serves it.
 * @throws {FleetboxError} `conflict`: it has no machine; `protocol`: its holder is a version without consoles.
 */
export async function openConsole(store: Store, name: string): Promise<ConsoleStream | undefined> {
  const conn = await dialUnix(store.memberSocket(checkName(name)));
  if (!conn) return undefined;
  let held: Uint8Array = new Uint8Array();
  let replay: Uint8Array;
  const buffer = new Uint8Array(32 * 1024);
  const read = async () => {
    try {
      const count = await conn.read(buffer);
      return count === null ? undefined : buffer.slice(0, count);
    } catch {
      return undefined; // its holder ended, or we have closed it
    }
  };
  const more = async () => {
    const piece = await read();
    if (piece) held = concat(held, piece);
    return piece !== undefined;
  };
  const take = (count: number) => {
    const taken = held.slice(0, count);
    held = held.slice(count);
    return taken;
  };
  try {
    await writeAll(conn, new TextEncoder().encode(encodeLine({ op: "console" })));
    while (!held.includes(0x0a)) {
      if (await more()) continue;
      closeQuietly(conn);
      return undefined;
    }
    const line = new TextDecoder().decode(take(held.indexOf(0x0a) + 1));
    const greeting = decodedReply(line, name, "console");
    while (held.length < greeting.replay && await more());
    replay = take(greeting.replay);
  } catch (thrown) {
    closeQuietly(conn);
    throw thrown;
  }
  return {
    replay,
    read: () => held.length > 0 ? Promise.resolve(take(held.length)) : read(),
    write: (bytes) => writeAll(conn, bytes),
    [Symbol.dispose]: () => closeQuietly(conn),
  };
}

function concat(first: Uint8Array, second: Uint8Array): Uint8Array {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
