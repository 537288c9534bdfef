/**
 * Who of a group may use the gateway for more than names and forwarded ports: egress and access to the host are a member's.
 *
 * They stand in its config. What a boot is asked for goes before that; a member of an earlier version, whose config does
 * not say, has what its group had; a new one that says nothing has egress unless its group has members and none of them
 * has: to bring one in must not open what a user has closed. Pure, but for the configs that it is handed.
 */

import { DEFAULTS, type Options } from "../../core/options.ts";
import type { GroupRecord, MemberConfig } from "../../store.ts";

/** What a member is asked for, or has. */
export interface GatewayUse {
  egress: "on" | "off";
  host_access: boolean;
}

export type Asked = Pick<Options, "egress" | "host_access">;

/** What a member that was made before has; a config of an earlier version does not say, and its group's record does. */
export function keptUse(config: Pick<MemberConfig, "egress" | "host_access">, record?: GroupRecord): GatewayUse {
  return {
    egress: config.egress ?? record?.egress ?? DEFAULTS.egress,
    host_access: config.host_access ?? record?.host_access ?? false,
  };
}

/**
 * What a member has from its next boot on.
 * @param kept what it had; undefined for a new one.
 * @param others what the other members of its group have.
 */
export function decideUse(asked: Asked, kept: GatewayUse | undefined, others: readonly GatewayUse[]): GatewayUse {
  const ofGroup = others.length === 0 || others.some(({ egress }) => egress === "on") ? DEFAULTS.egress : "off";
  return {
    egress: asked.egress ?? kept?.egress ?? ofGroup,
    host_access: asked.host_access ?? kept?.host_access ?? false,
  };
}

/** Whether the gateway must let somebody out. */
export function isOpen({ egress, host_access }: GatewayUse): boolean {
  return egress === "on" || host_access;
}

/** Whether a killed holder's gateway is restricted; what an earlier version wrote says it by its group's settings. */
export function wasRestricted({ gateway_restricted, egress, host_access }: GroupRecord): boolean {
  return gateway_restricted ?? !isOpen({ egress: egress ?? DEFAULTS.egress, host_access: host_access ?? false });
}

/** What a group's members have together: whether any of them has it. */
export function together(uses: readonly GatewayUse[]): GatewayUse {
  return {
    egress: uses.some(({ egress }) => egress === "on") ? "on" : "off",
    host_access: uses.some(({ host_access }) => host_access),
  };
}
