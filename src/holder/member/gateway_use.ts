/** A member's rights to use its group's gateway: its config has them, and they apply from its machine's first frame. */

import { FleetboxError } from "../../core/errors.ts";
import type { Options } from "../../core/options.ts";
import type { GatewayRules } from "../../network/guard.ts";
import type { MemberConfig } from "../../store.ts";
import type { GroupNetwork } from "../network/group_network.ts";
import type { Member } from "./member.ts";
import { gatewayUse } from "./prepare.ts";

/** Applies the rights in the member's config to its machine. @throws why the gateway does not run */
export async function allowUse(member: Member): Promise<void> {
  const { context: { store, network }, name } = member;
  const use = gatewayUse(store.config(name) ?? member.config!, {});
  member.config = { ...member.config!, ...use };
  await network.allow(name, rulesOf(member.config, network));
}

/** What a member with this config may use the gateway for. */
export function rulesOf(config: MemberConfig, network: GroupNetwork): GatewayRules {
  const { egress, host_access } = gatewayUse(config, {});
  return { egress: egress === "on", hostAccess: host_access, flows: network.ports.flowsOf(config.ip) };
}

/**
 * Changes and keeps the rights of a member with or without a machine.
 * @throws {FleetboxError} `conflict`: the member is still being made; or why the gateway, which had to be started again
 * for it, does not run.
 */
export async function changeUse(member: Member, asked: Pick<Options, "egress" | "host_access">): Promise<void> {
  const { context: { store }, name } = member;
  await store.withMemberLock(name, async () => {
    const before = store.config(name);
    if (!before) {
      throw new FleetboxError("conflict", `"${name}" is still being made: it has no egress to change yet`, {
        hint: `Wait for it: fleetbox wait ${name}`,
      });
    }
    const use = gatewayUse(before, asked);
    await store.writeConfig({ ...before, ...use });
    if (member.config) member.config = { ...member.config, ...use };
  });
  // Outside the lock, because restarting a gateway takes time.
  if (member.process && member.config) await allowUse(member);
}
