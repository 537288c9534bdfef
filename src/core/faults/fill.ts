/** A file system of a guest that is nearly full: as it is asked for, and its check. */

import { bad, member, numberIn, only } from "./values.ts";

export interface FillFault {
  kind: "fill";
  member: string;
  /** How much of it is used, as df(1) tells it: 0.95, or 1 for all. */
  share: number;
  /** A directory on it. @default / */
  path?: string;
}

export const DEFAULT_FILL_PATH = "/";
const MAX_PATH = 1_000;

/** @throws {FleetboxError} `misuse` */
export function checkFill(spec: Record<string, unknown>): void {
  only(spec, ["kind", "member", "share", "path"]);
  member(spec);
  numberIn("share", spec.share, 0.01, 1);
  const { path } = spec;
  if (path === undefined) return;
  const isPath = typeof path === "string" && path.startsWith("/") && path.length <= MAX_PATH && !path.includes("\0");
  if (!isPath) bad("path", path, "the absolute path of a directory in the guest");
}
