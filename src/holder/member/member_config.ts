/** The config of a member that is about to boot: a new one, or what a start changes of the one that it has. */

import { FleetboxError } from "../../core/errors.ts";
import { DEFAULTS, type Options } from "../../core/options.ts";
import type { Image } from "../../image/image.ts";
import type { MemberConfig } from "../../store.ts";
import { areSameLabels, changedLabels } from "../../core/labels.ts";
import { checkGrows, checkHostMemory, RESOURCES, resourcesOf } from "../../store/resources.ts";
import type { Identity } from "./identity.ts";

/** The guest's user that accepts our key. */
export const GUEST_USER = "fleetbox";

export function newConfig(name: string, options: Options, { hostName, ip, mac }: Identity, image: Image): MemberConfig {
  return {
    name,
    ...(hostName === name ? {} : { host_name: hostName }),
    mac,
    ...resourcesOf({
      cpus: DEFAULTS.cpus,
      memory_mb: image.defaultMemoryMiB,
      disk_mb: Math.max(DEFAULTS.diskMiB, Math.ceil(image.virtualBytes / 1024 / 1024)),
    }, options),
    image: image.ref,
    image_id: image.id,
    ...(options.arch ? { arch: options.arch } : {}),
    ...(options.firmware ? { firmware: options.firmware } : {}),
    created_at: new Date().toISOString(),
    instance_id: `${name}-${crypto.randomUUID()}`,
    fixtures: options.fixtures ?? [],
    labels: changedLabels(undefined, options.labels),
    ...(options.shares?.length ? { shares: options.shares } : {}),
    ...(options.user_data === undefined ? {} : { user_data: options.user_data }),
    ip,
    user: GUEST_USER,
    ...(options.owner ? { owner: options.owner } : {}),
  };
}

/** The config of a member that is there, with what it is to have from this boot on. @throws {FleetboxError} `misuse` */
export function changedConfig(existing: MemberConfig, options: Options): MemberConfig {
  checkGrows(existing, options);
  return { ...existing, ...resourcesOf(existing, options), labels: changedLabels(existing.labels, options.labels) };
}

const OF_A_START = [
  "ip",
  "mac",
  "group",
  "group_name",
  "egress",
  "host_access",
  "log_writes",
  "scripts",
  ...RESOURCES,
] as const;

export function isChanged(before: MemberConfig, after: MemberConfig): boolean {
  return OF_A_START.some((key) => before[key] !== after[key]) || !areSameLabels(before.labels, after.labels);
}

/** @throws {FleetboxError} `misuse`: less than its image needs; `no-space`: more than this host has */
export function checkMemory(config: MemberConfig, image: Image): void {
  const { name, memory_mb } = config;
  if (memory_mb < image.minMemoryMiB) {
    throw new FleetboxError(
      "misuse",
      `"${name}" has ${memory_mb} MiB of memory, and its image needs at least ${image.minMemoryMiB} MiB`,
      { hint: `Use more: --memory ${image.minMemoryMiB}M` },
    );
  }
  checkHostMemory({ name, memory_mb });
}
