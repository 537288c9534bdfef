/**
 * The paths of this host that `cp` is given, looked at before a machine is: what scp would say after it has connected, in
 * its own words and with an exit code of its own, is said at once. What is on a member is scp's to find.
 */

import { basename, dirname } from "../../system/path.ts";
import { FleetboxError, isNotFound } from "../../core/errors.ts";

/** One word of `cp`: a path here, or on a member. */
export type Place = { member?: undefined; path: string } | { member: string; path: string };

/** A path of this host as scp is given it: no option and no member's, whatever its name. */
export function pathHere(path: string): string {
  return path.startsWith("/") || path.startsWith("./") || path.startsWith("../") ? path : `./${path}`;
}

/**
 * Checks what is copied from here, and where to, when that is here; the last place is where to.
 * @throws {FleetboxError} `not-found`: a source, or the directory for the copies; `misuse`: several files into one
 */
export function checkPlaces(places: readonly Place[]): void {
  const [sources, target] = [places.slice(0, -1), places.at(-1)!];
  for (const { member, path } of sources) {
    if (member === undefined && look(path) === "nothing") {
      throw new FleetboxError("not-found", `There is no ${pathHere(path)}`, { hint: hintFor(path) });
    }
  }
  if (target.member === undefined) checkTarget(pathHere(target.path), sources);
}

function checkTarget(path: string, sources: readonly Place[]): void {
  const found = look(path);
  if (found === "file" && (sources.length > 1 || path.endsWith("/"))) {
    throw new FleetboxError("misuse", `${path} is a file, and no directory for ${described(sources)}`, {
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

function hintFor(path: string): string {
  return /^[a-z0-9-]+$/.test(path)
    ? `A path on a member is NAME:PATH; all of its home is ${path}:`
    : "A path on a member is NAME:PATH.";
}

/** What is at a path of this host; what may not be looked at is scp's to complain about. */
function look(path: string): "file" | "directory" | "nothing" | "unknown" {
  try {
    return Deno.statSync(path).isDirectory ? "directory" : "file";
  } catch (thrown) {
    return isNotFound(thrown) ? "nothing" : "unknown";
  }
}
