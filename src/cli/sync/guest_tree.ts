/**
 * What is in the guest's directory: one `find` with `stat`, by busybox or GNU. A token that nobody can guess stands before each
 * field, because a name may have every character but a slash and NUL, and busybox's `stat` ends no name with NUL.
 */

import { FleetboxError } from "../../core/errors.ts";
import { STAGE } from "./host_tree.ts";

export interface GuestEntry {
  kind: "file" | "directory" | "link" | "other";
  mode: number;
  size: number;
  /** Seconds since 1970. */
  mtime: number;
  /** How `stat` shows a link with its target. */
  shown: string;
}

/** By their paths below the directory, as bytes. */
export type GuestTree = Map<string, GuestEntry>;

/** The command that lists, for the guest's shell; its output is {@link parseGuestTree}'s. */
export function findCommand(token: string): string {
  const format = `${token} %f %s %Y %n${token}%N`;
  return `find . -mindepth 1 '(' -path './${STAGE}*' -prune ')' -o -exec stat -c '${format}' '{}' +`;
}

/** @param text as bytes, until the last token. @throws {FleetboxError} `protocol` */
export function parseGuestTree(text: string, token: string): GuestTree {
  const [before, ...fields] = text.split(token);
  const entries: GuestTree = new Map();
  if (before.trim() !== "") throw malformed();
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const [, mode, size, mtime, name] = /^ ([0-9a-f]+) (\d+) (-?\d+) \.\/(.+)$/s.exec(fields[at]) ?? [];
    if (mode === undefined) throw malformed();
    const bits = parseInt(mode, 16);
    entries.set(name, {
      kind: KINDS[bits >> 12] ?? "other",
      mode: bits & 0o7777,
      size: Number(size),
      mtime: Number(mtime),
      shown: fields[at + 1].replace(/\n$/, ""),
    });
  }
  return entries;
}

function malformed(): FleetboxError {
  return new FleetboxError("protocol", "The guest's list of files is malformed", {
    hint: "A login shell that prints something does that; look: fleetbox exec NAME -- true",
  });
}

const KINDS: Record<number, GuestEntry["kind"]> = { 0o10: "file", 0o4: "directory", 0o12: "link" };

/** Where a link in the guest leads, as bytes. */
export function targetOf({ shown }: GuestEntry, name: string): string | undefined {
  const [quoted, plain] = [`'./${name}' -> '`, `./${name} -> `];
  if (shown.startsWith(quoted) && shown.endsWith("'")) return shown.slice(quoted.length, -1);
  return shown.startsWith(plain) ? shown.slice(plain.length) : undefined;
}

/** Whether a link in the guest leads where this one does: busybox shows both in quotes, GNU's `stat` as it is told. */
export function leadsTo(entry: GuestEntry, name: string, target: string): boolean {
  return entry.shown === `'./${name}' -> '${target}'` || entry.shown === `./${name} -> ${target}`;
}
