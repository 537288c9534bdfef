/**
 * Checks the paths of this host in `cp` before it connects: scp would report a missing one only after that, in its own
 * words and with its own exit code. scp checks paths on members.
 */

import { basename, dirname } from "../../system/path.ts";
import { FleetboxError, isNotFound } from "../../core/errors.ts";

/** One argument of `cp`: a path here, or on a member. */
export type Place = { member?: undefined; path: string } | { member: string; path: string };

/** A path of this host as an argument of scp that cannot be read as an option or a member's path. */
export function pathHere(path: string): string {
  return path.startsWith("/") || path.startsWith("./") || path.startsWith("../") ? path : `./${path}`;
}

/**
 * Checks the sources and the target on this host; the last place is the target.
 * @param isMember whether there is a member of a name, for the hint.
 * @throws {FleetboxError} `not-found`: a source, or the directory for the copies; `misuse`: several files into one
 */
export function checkPlaces(places: readonly Place[], isMember: (name: string) => boolean): void {
  const [sources, target] = [places.slice(0, -1), places.at(-1)!];
  for (const { member, path } of sources) {
    if (member === undefined && look(path) === "nothing") {
      throw new FleetboxError("not-found", `There is no ${pathHere(path)}`, { hint: hintFor(path, isMember) });
    }
  }
  if (target.member === undefined) checkTarget(pathHere(target.path), sources);
}

function checkTarget(path: string, sources: readonly Place[]): void {
  const found = look(path);
  if (found === "file" && (sources.length > 1 || path.endsWith("/"))) {
    throw new FleetboxError("misuse", `${path} is a file, expected a directory for ${described(sources)}`, {
      hint: "Name a directory as the last one.",
    });
  }
  if (found !== "nothing") return;
  const directory = sources.length > 1 || path.endsWith("/") ? path : dirname(path);
  if (look(directory) !== "nothing") return;
  throw new FleetboxError("not-found", `There is no directory ${directory} for ${described(sources)}`, {
    hint: `Make it first: mkdir -p ${directory}`,
  });
}

function described(sources: readonly Place[]): string {
  return sources.length === 1 ? basename(sources[0].path) || "the copy" : `${sources.length} copies`;
}

function hintFor(path: string, isMember: (name: string) => boolean): string {
  return isMember(path)
    ? `A path on a member is NAME:PATH; the home of "${path}" is ${path}:`
    : "A path on a member is NAME:PATH.";
}

/** The kind of file at a path of this host; `unknown`: it cannot be read, which scp will report. */
function look(path: string): "file" | "directory" | "nothing" | "unknown" {
  try {
    return Deno.statSync(path).isDirectory ? "directory" : "file";
  } catch (thrown) {
    return isNotFound(thrown) ? "nothing" : "unknown";
  }
}
