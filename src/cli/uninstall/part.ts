/** What `uninstall` tells of: parts that fleetbox has made, and what stays. */

import type { FleetboxError } from "../../core/errors.ts";
import { naturalOrder } from "../../store.ts";

type PartKind =
  | "member"
  | "checkpoint"
  | "template"
  | "layer"
  | "image"
  | "download"
  | "trace"
  | "place"
  | "brought"
  | "helper"
  | "log"
  | "run"
  | "note"
  | "temporary"
  | "key"
  | "cache";

export interface Part {
  kind: PartKind;
  /** Of a member, a checkpoint, an image or a trace. */
  name?: string;
  path: string;
  /** Its size on the disk. */
  bytes: number;
}

/** A part, and how it is removed. */
export interface OwnPart extends Part {
  remove: () => Promise<unknown> | unknown;
  /** Why it cannot be removed before its user has done something. */
  problem?: FleetboxError;
}

/** What is not fleetbox's, or not its alone, and why it stays. */
export interface Left {
  path: string;
  why: string;
}

/** In the order in which parts are listed and removed: what others are based on goes after these, the key last. */
export const KINDS: Record<PartKind, { one: string; many: string }> = {
  member: { one: "member", many: "members" },
  checkpoint: { one: "checkpoint", many: "checkpoints" },
  template: { one: "template", many: "templates" },
  layer: { one: "layer of disks", many: "layers of disks" },
  image: { one: "image", many: "images" },
  download: { one: "file of a download", many: "files of downloads" },
  trace: { one: "trace", many: "traces" },
  place: { one: "place", many: "places" },
  brought: { one: "thing brought by other hosts", many: "things brought by other hosts" },
  helper: { one: "helper", many: "files of the helper" },
  log: { one: "log", many: "logs" },
  run: { one: "file of a group", many: "files of groups" },
  note: { one: "note", many: "notes about this host" },
  temporary: { one: "half-made thing", many: "half-made things" },
  cache: { one: "cache of builds", many: "caches of builds" },
  key: { one: "SSH key", many: "files of the SSH key" },
};

export function inOrder<P extends Part>(parts: readonly P[]): P[] {
  return Object.keys(KINDS).flatMap((kind) =>
    parts.filter((part) => part.kind === kind).toSorted((one, other) => naturalOrder(one.path, other.path))
  );
}
