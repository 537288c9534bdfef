/**
 * How the members of a store are reached. Those of this host by their sockets, which need nothing. A store that stands for a
 * place has a door, which makes a member's socket here lead to the one there when it is first needed.
 */

import type { Store } from "../../store.ts";
import { connectUnix, dialUnix, type UnixConnection } from "../../system/sockets.ts";

/** Makes `store.memberSocket(name)` lead to the member. @throws {FleetboxError} the place cannot be reached */
export type Door = (name: string) => Promise<void>;

const doors = new Map<string, Door>();

/** From now on the members of the store are behind this door, which is opened once for those that want it at the same time. */
export function setDoor(store: Store, door: Door): void {
  const opening = new Map<string, Promise<void>>();
  doors.set(store.root, (name) => {
    const already = opening.get(name);
    if (already) return already;
    const now = door(name).finally(() => opening.delete(name));
    opening.set(name, now);
    return now;
  });
}

/** Whether the store's members run on another host: processes of this one say nothing of them. */
export function isAtPlace(store: Store): boolean {
  return doors.has(store.root);
}

/** Connects to a member; undefined when no holder serves it. */
export function connectMember(store: Store, name: string): Promise<UnixConnection | undefined> {
  return through(store, name, connectUnix);
}

/** The same for a stream that is not text. */
export function dialMember(store: Store, name: string): Promise<Deno.UnixConn | undefined> {
  return through(store, name, dialUnix);
}

async function through<T>(
  store: Store,
  name: string,
  connect: (path: string) => Promise<T | undefined>,
): Promise<T | undefined> {
  const path = store.memberSocket(name);
  const connection = await connect(path);
  const door = connection === undefined ? doors.get(store.root) : undefined;
  if (!door) return connection;
  await door(name);
  return await connect(path);
}
