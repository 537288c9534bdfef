/** What is based on an image, as far as that can be known: what cannot be read, or is being made, may be based on any. */

import { completeRecords } from "../store/orphans.ts";
import type { Store } from "../store.ts";
import { isAlive } from "../system/process.ts";

/** Members by the image of their disk. */
export function imageUsers(store: Store): Map<string, string[]> {
  const users = new Map<string, string[]>();
  for (const stored of store.members()) {
    if (!("config" in stored)) continue;
    const { image_id } = stored.config;
    users.set(image_id, [...users.get(image_id) ?? [], stored.name]);
  }
  return users;
}

/** Members that have no config yet: they may have found their image already. */
export function beingMade(store: Store): string[] {
  const served = completeRecords(store).flatMap((record) => isAlive(record.holder) ? record.served : []);
  return served.filter((name) => !store.readMember(name));
}
