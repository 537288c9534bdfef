/** What a member is, as `config.json` has it, and the check of every value that is read back. */

import { FleetboxError } from "../core/errors.ts";
import { areLabels, type Labels } from "../core/labels.ts";
import { isName } from "../core/names.ts";
import type { KeptUse, PortForward, SharedDirectory } from "../core/options.ts";
import type { ProcessIdentity } from "../system/process.ts";
import { type Check, checkObject, isPort, isProcess, optional, shaped, string, whole } from "./checks.ts";
import { DISK_FILE } from "./disk.ts";
import type { MemberScript } from "./scripts.ts";

/** A member's `config.json`. */
export interface MemberConfig extends KeptUse {
  name: string;
  /** What it is called on its group's network. Absent: its name. */
  host_name?: string;
  /** `52:54:00:58:00:<slot>`, which follows from the address; in configs of earlier versions, from the name. */
  mac: string;
  cpus: number;
  memory_mb: number;
  /** Virtual size of the disk, MiB. */
  disk_mb: number;
  /** The image as the user named it: an alias or an absolute path. */
  image: string;
  /** The identity of the image that backs the disk, from when the member was made. */
  image_id: string;
  /** The machine's architecture, when it is not the host's. */
  arch?: "x86_64" | "aarch64";
  /** The firmware that starts its disk, when the user chose it. */
  firmware?: "bios" | "uefi";
  /** ISO 8601. */
  created_at: string;
  /** New for each member that is created, even under an old name. */
  instance_id: string;
  fixtures: SharedDirectory[];
  /** Directories of this host that the guest reads and writes. */
  shares?: SharedDirectory[];
  /** The user's own user-data: the same at every boot. */
  user_data?: string;
  /** What runs, or ran, in its guest once. */
  scripts?: MemberScript[];
  /** Port forwards to the member, open while it runs. */
  forwards?: PortForward[];
  /** The address on the group's network. */
  ip: string;
  /** The guest's user that accepts our key. */
  user: string;
  /** The client that owns it: it is removed with its disk when that process is gone. */
  owner?: ProcessIdentity;
  /** {@link GroupRecord.id} of the group that it last booted in. It belongs there while that group lives. */
  group?: string;
  /** That group's name: of its first member. */
  group_name?: string;
  /** Words to find it by. Absent: none. */
  labels?: Labels;
  /** Whether its machine's writes are logged, so that a power cut can lose those that were not flushed. Absent: false. */
  log_writes?: boolean;
  /** The file of its disk, in its directory. Absent: `disk.qcow2`. */
  disk_file?: string;
  /** The layers below its disk (`snapshots.ts`), the top one first; its image is below them. Absent: the image alone. */
  layers?: string[];
  /** The key of the template that it was started from. */
  template?: string;
  /** The checkpoint that it was made from. */
  from_checkpoint?: string;
}

/** A layer's id, or a template's key. */
export const SNAPSHOT_ID = /^[0-9a-f]{16}$/;

/** A member as the store knows it: its config, or why there is none. */
export type StoredMember = { name: string; config: MemberConfig } | { name: string; damage: FleetboxError };

export const MAC_ADDRESS = shaped(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/, "a MAC address");
const ADDRESS = /^\d{1,3}(\.\d{1,3}){3}$/;
export const IP_ADDRESS = shaped(ADDRESS, "an address");

const DIRECTORIES: Check = [
  (value) => Array.isArray(value) && value.every(isSharedDirectory),
  "a list of {host_path, guest_path}",
];

/** The check of each value of a config: values become arguments, addresses and paths. */
const CONFIG: Record<keyof MemberConfig, Check> = {
  name: string,
  host_name: optional([isName, "a host name"]),
  mac: MAC_ADDRESS,
  cpus: whole,
  memory_mb: whole,
  disk_mb: whole,
  image: string,
  image_id: string,
  arch: optional(shaped(/^(x86_64|aarch64)$/, "x86_64 or aarch64")),
  firmware: optional(shaped(/^(bios|uefi)$/, "bios or uefi")),
  created_at: string,
  instance_id: string,
  fixtures: DIRECTORIES,
  shares: optional(DIRECTORIES),
  user_data: optional(string),
  scripts: optional([
    (value) => Array.isArray(value) && value.every(isMemberScript),
    "a list of {name, digest, text}",
  ]),
  forwards: optional([
    (value) => Array.isArray(value) && value.every(isForward),
    "a list of {host_port, guest_port}",
  ]),
  ip: IP_ADDRESS,
  user: shaped(/^[a-z_][a-z0-9_-]*$/, "a user's name"),
  owner: optional([isProcess, "a process"]),
  group: optional(string),
  group_name: optional(string),
  labels: optional([areLabels, "labels, each a text by a key"]),
  egress: optional(shaped(/^(on|off)$/, '"on" or "off"')),
  host_access: optional([(value) => typeof value === "boolean", "true or false"]),
  log_writes: optional([(value) => typeof value === "boolean", "true or false"]),
  disk_file: optional(shaped(DISK_FILE, "disk.qcow2 or disk-<n>.qcow2")),
  layers: optional([
    (value) => Array.isArray(value) && value.every((id) => typeof id === "string" && SNAPSHOT_ID.test(id)),
    "a list of layers' ids, each 16 hexadecimal digits",
  ]),
  template: optional(shaped(SNAPSHOT_ID, "a template's key, 16 hexadecimal digits")),
  from_checkpoint: optional([isName, "a checkpoint's name"]),
};

function isSharedDirectory(value: unknown): boolean {
  const { host_path, guest_path } = (value ?? {}) as Record<string, unknown>;
  return typeof host_path === "string" && typeof guest_path === "string";
}

function isForward(value: unknown): boolean {
  const { host_port, guest_port, protocol, address } = (value ?? {}) as Record<string, unknown>;
  const isSide = (protocol === undefined || protocol === "udp") &&
    (address === undefined || (typeof address === "string" && ADDRESS.test(address)));
  return isPort(host_port) && isPort(guest_port) && isSide;
}

function isMemberScript(value: unknown): boolean {
  const { name, digest, text } = (value ?? {}) as Record<string, unknown>;
  return typeof name === "string" && typeof digest === "string" && (text === undefined || typeof text === "string");
}

/** Parses a config, from any text. @throws {Error} why it is not a config. */
export function parseConfig(text: string, name: string): MemberConfig {
  return checkConfig(JSON.parse(text), name);
}

/** The same of a value that was parsed. */
export function checkConfig(value: unknown, name: string): MemberConfig {
  const config = checkObject<MemberConfig>(value, CONFIG);
  if (config.name !== name) throw new TypeError(`it belongs to "${config.name}"`);
  return config;
}

/** The error for a config that cannot be read. Nothing is deleted because of it. */
export function damaged(name: string, path: string, why: string, cause: unknown): FleetboxError {
  return new FleetboxError("damaged", `The config of "${name}" cannot be read: ${why} (${path})`, {
    cause,
    hint: `Correct ${path}, or remove the member with its disk: fleetbox rm ${name}`,
  });
}
