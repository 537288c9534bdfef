/**
 * What a template is of: all that went into a machine, part by part, and the key that stands for it.
 *
 * A machine may be started from a template exactly when each part is the same. The host name is no part: it is set after the
 * start; but where scripts have run, it is one. Egress and access to the host are none either: the switch sees to them, not the guest.
 */

import type { Image } from "../../image/image.ts";
import { digestOf, type MemberConfig } from "../../store.ts";

/** Each part by its name in words, which `--verbose` prints. */
export type TemplateParts = Record<string, string>;

/** Changes with what a member is made like: a seed, a command line, the wiring of a machine. */
const FORMAT = "1";

export interface MachineFacts {
  config: MemberConfig;
  image: Image;
  /** The installation's public key. */
  publicKey: string;
  /** What a restore must find equal of hypervisor and host. */
  hypervisor: string;
}

export async function templateParts({ config, image, publicKey, hypervisor }: MachineFacts): Promise<TemplateParts> {
  const { cpus, memory_mb, disk_mb, ip, mac, user, user_data, fixtures, scripts = [] } = config;
  const shared = await Promise.all(fixtures.map(async ({ host_path, guest_path }) => {
    const { digestOfDirectory } = await import("../../guest/directories/directory_digest.ts"); // lazily: `node:crypto` costs some MiB
    return `${guest_path} ${await digestOfDirectory(host_path)}`;
  }));
  return {
    format: FORMAT,
    image: image.id,
    boot: image.boot.kind === "kernel" ? `kernel ${image.boot.cmdline}` : `firmware ${image.boot.firmware ?? ""}`,
    CPUs: String(cpus),
    memory: `${memory_mb} MiB`,
    disk: `${disk_mb} MiB`,
    address: `${ip} ${mac}`,
    login: `${user} ${digestOf(publicKey)}`,
    "user-data": user_data === undefined ? "none" : digestOf(user_data),
    "shared directories": shared.length === 0 ? "none" : digestOf(shared.join("\n")),
    hypervisor,
    // A script may write down what the machine is called.
    ...(scripts.length > 0 && {
      scripts: digestOf(scripts.map(({ digest }) => digest).join(" ")),
      "host name": config.host_name ?? config.name,
    }),
  };
}

/** 16 hexadecimal digits. Pure. */
export function templateKey(parts: TemplateParts): string {
  return digestOf(JSON.stringify(Object.entries(parts).sort(([a], [b]) => a < b ? -1 : 1)));
}

/** The names of the parts that differ. Pure. */
export function differingParts(one: TemplateParts, other: TemplateParts): string[] {
  return [...new Set([...Object.keys(one), ...Object.keys(other)])].filter((name) => one[name] !== other[name]);
}
