/**
 * Egress and access to the host: a member's right to use the gateway for more than names and port forwards.
 *
 * They are in its config. A boot's options come first; a member of an earlier version, whose config lacks them, has its
 * group's settings; a new one without options has egress, unless no other member of its group has it: adding a member
 * must not open what a user has closed. Pure.
 */

import { DEFAULTS, type Options } from "../../core/options.ts";
import type { GroupRecord, MemberConfig } from "../../store.ts";

/** A member's requested or present settings. */
export interface GatewayUse {
  egress: "on" | "off";
  host_access: boolean;
}

type Asked = Pick<Options, "egress" | "host_access">;

/** An existing member's settings, from its config, or for an earlier version from its group's record. */
export function keptUse(config: Pick<MemberConfig, "egress" | "host_access">, record?: GroupRecord): GatewayUse {
  return {
    egress: config.egress ?? record?.egress ?? DEFAULTS.egress,
    host_access: config.host_access ?? record?.host_access ?? false,
  };
}

/**
 * A member's settings from its next boot on.
 * @param kept its earlier settings; undefined for a new one.
 * @param others the settings of the other members of its group.
 */
export function decideUse(asked: Asked, kept: GatewayUse | undefined, others: readonly GatewayUse[]): GatewayUse {
  const ofGroup = others.length === 0 || others.some(({ egress }) => egress === "on") ? DEFAULTS.egress : "off";
  return {
    egress: asked.egress ?? kept?.egress ?? ofGroup,
    host_access: asked.host_access ?? kept?.host_access ?? false,
  };
}

/** Whether the gateway must let any member out. */
export function isOpen({ egress, host_access }: GatewayUse): boolean {
  return egress === "on" || host_access;
}

/** Whether a killed holder's gateway is restricted; a record of an earlier version has it in its group's settings. */
export function wasRestricted({ gateway_restricted, egress, host_access }: GroupRecord): boolean {
  return gateway_restricted ?? !isOpen({ egress: egress ?? DEFAULTS.egress, host_access: host_access ?? false });
}

/** The union of the members' settings: whether any member has them. */
export function together(uses: readonly GatewayUse[]): GatewayUse {
  return {
    egress: uses.some(({ egress }) => egress === "on") ? "on" : "off",
    host_access: uses.some(({ host_access }) => host_access),
  };
}
