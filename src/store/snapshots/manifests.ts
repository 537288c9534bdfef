/**
 * What a template or a checkpoint is, as its `manifest.json` has it, and the check of every value that is read back: values
 * become paths and arguments.
 */

import { isName } from "../../core/names.ts";
import type { ProcessIdentity } from "../../system/process.ts";
import { type Check, checkObject, isProcess, isTime, optional, string } from "../checks.ts";
import { checkConfig, IP_ADDRESS, MAC_ADDRESS, type MemberConfig } from "../config.ts";

/** A member in a manifest. */
export interface SavedMember {
  /** As at the save. The first of its layers is its disk then. */
  config: MemberConfig;
  /** What it was called on its network, and its address there. */
  host_name: string;
  ip: string;
  mac: string;
  /** What its files and its own layer take up on the disk. */
  bytes: number;
}

/** A machine after its first boot, kept to start others from. */
export interface TemplateManifest {
  version: 1;
  /** 16 hexadecimal digits: a digest of all that must be equal in a member that starts from it. */
  key: string;
  /** ISO 8601. */
  made_at: string;
  /** What the key was made of, for people. */
  parts: Record<string, string>;
  member: SavedMember;
}

/** A group at one moment. */
export interface CheckpointManifest {
  version: 1;
  name: string;
  /** ISO 8601. */
  made_at: string;
  /** The name of the group that was saved. */
  group: string;
  /** By their names at the save. */
  members: Record<string, SavedMember>;
  /** The driver's facts: of the hypervisor and the host. */
  host: string;
  /** The checkpoint that the group had come from. */
  based_on?: string;
  /** The program to which it belongs: it may be removed when that is gone. Absent: it stays until its user removes it. */
  owner?: ProcessIdentity;
}

/** A member's part of a manifest. */
export function savedMember(config: MemberConfig, bytes: number): SavedMember {
  const { host_name, name, ip, mac } = config;
  return { config, host_name: host_name ?? name, ip, mac, bytes };
}

/** Every layer that a manifest reads. */
export function layersIn(manifest: TemplateManifest | CheckpointManifest): string[] {
  return membersIn(manifest).flatMap(({ config }) => config.layers ?? []);
}

export function membersIn(manifest: TemplateManifest | CheckpointManifest): SavedMember[] {
  return "member" in manifest ? [manifest.member] : Object.values(manifest.members);
}

const version: Check = [(value) => value === 1, "1"];
const time: Check = [isTime, "a time"];
const name: Check = [isName, "a name"];

/** @throws {Error} why it is not the manifest of that template */
export function parseTemplate(text: string, key: string): TemplateManifest {
  const manifest = checkObject<TemplateManifest>(JSON.parse(text), {
    version,
    key: [(value) => value === key, JSON.stringify(key)],
    made_at: time,
    parts: [isTextByName, "texts by their names"],
    member: [isObject, "a saved member"],
  });
  checkSaved(manifest.member, (manifest.member.config as Partial<MemberConfig> | undefined)?.name);
  return manifest;
}

/** @throws {Error} why it is not the manifest of that checkpoint */
export function parseCheckpoint(text: string, checkpoint: string): CheckpointManifest {
  const manifest = checkObject<CheckpointManifest>(JSON.parse(text), {
    version,
    name: [(value) => value === checkpoint, JSON.stringify(checkpoint)],
    made_at: time,
    group: name,
    members: [(value) => isObject(value) && Object.keys(value).length > 0, "saved members by their names"],
    host: string,
    based_on: optional(name),
    owner: optional([isProcess, "a process"]),
  });
  for (const [member, saved] of Object.entries(manifest.members)) checkSaved(saved, member);
  return manifest;
}

function checkSaved(value: unknown, member: unknown): void {
  try {
    if (!isName(member)) throw new TypeError("it has no name");
    const { config } = checkObject<SavedMember>(value, {
      config: [isObject, "a config"],
      host_name: name,
      ip: IP_ADDRESS,
      mac: MAC_ADDRESS,
      bytes: [(bytes) => Number.isSafeInteger(bytes) && (bytes as number) >= 0, "a number of bytes"],
    });
    checkConfig(config, member);
    if (!config.layers?.length) throw new TypeError("it has no layers");
  } catch (cause) {
    throw new TypeError(`its member ${JSON.stringify(member) ?? ""}: ${(cause as Error).message}`, { cause });
  }
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isTextByName(value: unknown): boolean {
  return isObject(value) && Object.values(value).every((text) => typeof text === "string");
}
