/** What a template or a checkpoint is, as its `manifest.json` has it. */

import type { MemberConfig } from "../config.ts";

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
}
