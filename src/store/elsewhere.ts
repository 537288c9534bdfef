/**
 * Members that another host serves, in a store that both see. A holder writes which host it is on beside its pidfile, with its claim and under
 * the store's claim lock; what another host has claimed is not booted, adopted, removed or swept here. A holder of an earlier version writes
 * none: it is taken to be on this host.
 */

import { FleetboxError } from "../core/errors.ts";
import { readIfThere } from "../system/files.ts";
import { isAnswered } from "../system/sockets.ts";
import { type HostIdentity, isHostIdentity, relationOf } from "../system/this_host.ts";
import type { GroupRecord, Store } from "../store.ts";

/** The host that has claimed a member, when that is not this one; undefined: this host may have it. */
export async function claimedElsewhere(store: Store, name: string): Promise<HostIdentity | undefined> {
  const { host, socket, qmpSocket } = store.member(name);
  const claim = parsed(readIfThere(host));
  switch (relationOf(claim)) {
    case "elsewhere":
      return claim;
    case "neighbour": {
      // Its processes cannot be asked for, but what runs in another container of this kernel answers here, too.
      const answers = await Promise.all([socket, qmpSocket].map((path) => isAnswered(path)));
      return answers.includes(true) ? claim : undefined;
    }
    case "here":
    case "ended":
      return undefined;
  }
}

/** Half a file counts as none: it is renamed into place. */
function parsed(text: string | undefined): HostIdentity | undefined {
  try {
    const value = JSON.parse(text ?? "null");
    return isHostIdentity(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Whether the holder of a group is on another host, where its processes cannot be looked at. */
export function isHeldElsewhere({ holder }: Pick<GroupRecord, "holder">): boolean {
  const relation = relationOf(holder.host);
  return relation === "elsewhere" || relation === "neighbour";
}

/** @param doing what cannot be done: `Cannot remove "a"` */
export function elsewhereError(store: Store, name: string, host: HostIdentity, doing?: string): FleetboxError {
  const why = `${doing === undefined ? `"${name}"` : `${doing}: it`} is in use on another host, ${host.name}`;
  return new FleetboxError("conflict", why, {
    hint: `Stop it there: fleetbox stop ${name}. If that host is gone for good: rm '${store.member(name).host}'`,
  });
}

/** @throws {FleetboxError} `conflict`: another host has claimed it */
export async function checkIsHere(store: Store, name: string, doing: string): Promise<void> {
  const host = await claimedElsewhere(store, name);
  if (host) throw elsewhereError(store, name, host, doing);
}
