/** What a member may use its group's gateway for: it stands in its config, and holds for its machine from the first frame. */

import { FleetboxError } from "../../core/errors.ts";
import type { Options } from "../../core/options.ts";
import type { Member } from "./member.ts";
import { gatewayUse } from "./prepare.ts";

/** Lets a machine's frames have the way out that stands in the member's config. @throws why the gateway does not run */
export async function allowUse(member: Member): Promise<void> {
  const { context: { store, network }, name } = member;
  const use = gatewayUse(store.config(name) ?? member.config!, {});
  member.config = { ...member.config!, ...use };
  await network.allow(name, { egress: use.egress === "on", hostAccess: use.host_access });
}

/**
 * Changes it, for a member that has a machine or not; it is kept.
 * @throws {FleetboxError} `conflict`: the member is only just being made; or why the gateway, which had to be started again
 * for it, does not run.
 */
export async function changeUse(member: Member, asked: Pick<Options, "egress" | "host_access">): Promise<void> {
  const { context: { store }, name } = member;
  await store.withMemberLock(name, async () => {
    const before = store.config(name);
    if (!before) {
      throw new FleetboxError("conflict", `"${name}" is just being made: it has no egress to change yet`, {
        hint: `Wait for it: fleetbox wait ${name}`,
      });
    }
    const use = gatewayUse(before, asked);
    await store.writeConfig({ ...before, ...use });
    if (member.config) member.config = { ...member.config, ...use };
  });
  // Out of the lock: a gateway that is started again takes its time.
  if (member.process && member.config) await allowUse(member);
}
