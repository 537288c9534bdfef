/** The line of a test from which the library was called. */

import { isMirrored } from "../../core/environment.ts";
import { FleetboxError, sayAs } from "../../core/errors.ts";
import type { CallSite } from "../../core/trace/types.ts";

/** Whether these are the sources, and not files of the package for Node, which are beside each other. */
const IS_SOURCE = import.meta.url.endsWith("/src/library/trace/call_site.ts");
/** The library's own files, as a prefix of their addresses. */
const OURS = new URL(IS_SOURCE ? "../../../" : "./", import.meta.url).href;
const PARTS = IS_SOURCE ? ["src/", "helper/", "mod.ts", "testing.ts", "vitest.ts"] : [""];

/** The innermost caller that is not the library, nor the runtime; undefined: there is none. */
export function callSite(stack: string | undefined = new Error().stack): CallSite | undefined {
  for (const line of stack?.split("\n") ?? []) {
    const site = siteOf(line);
    if (site && !isOurs(site.address) && !site.address.includes("/node_modules/")) return site.site;
  }
  return undefined;
}

function siteOf(line: string): { address: string; site: CallSite } | undefined {
  const [, address, row, column] =
    /^\s+at (?:.* \(|async )?((?:file:\/\/|\/|https?:\/\/).+):(\d+):(\d+)\)?$/.exec(line) ?? [];
  if (address === undefined) return undefined;
  const file = address.replace(/^file:\/\//, "");
  return { address, site: { file, line: Number(row), column: Number(column) } };
}

/**
 * An error's stack without the library's lines above the caller's: runners locate a failed test by the first line. As it is
 * when it has no line of the caller's.
 */
export function withoutOurLines(stack: string): string {
  const lines = stack.split("\n");
  const isOf = (line: string) => {
    const site = siteOf(line);
    if (site === undefined) return /^\s+at /.test(line) ? "runtime" : "message";
    return isOurs(site.address) ? "library" : "caller";
  };
  const first = lines.findIndex((line) => isOf(line) === "caller");
  return lines.filter((line, at) => at >= first || isOf(line) === "message").join("\n");
}

/**
 * An error made where a call of the library begins, for one that comes much later: it begins in the caller's line, for runners that read
 * its stack, and for Deno's, which reads the frames that it had when it was made.
 * @param call the library's function
 */
export function begin(call: (...args: never[]) => unknown): FleetboxError {
  const begun = new FleetboxError("failed", "");
  Error.captureStackTrace(begun, call);
  void begun.stack; // that is when the frames are noted
  return begun;
}

/** What {@link begin} has made, saying what an error of now says. */
export function begunAt(begun: FleetboxError, failure: FleetboxError): FleetboxError {
  const frames = begun.stack?.split("\n").filter((line) => /^\s+at /.test(line)) ?? [];
  return frames.length === 0 || isMirrored("stack") ? failure : sayAs(begun, failure, frames);
}

function isOurs(address: string): boolean {
  const [url, path] = [OURS, OURS.replace(/^file:\/\//, "")];
  const rest = [url, path].find((root) => address.startsWith(root));
  if (rest === undefined || address.endsWith("_test.ts")) return false;
  return PARTS.some((part) => address.slice(rest.length).startsWith(part));
}
