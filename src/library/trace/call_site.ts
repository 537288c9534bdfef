/** The line of a test from which the library was called. */

import type { CallSite } from "../../core/trace/types.ts";

/** The library's own files, as a prefix of their addresses. */
const OURS = new URL("../../../", import.meta.url).href;
const PARTS = ["src/", "helper/", "mod.ts", "testing.ts"];

/** The innermost caller that is not the library, nor the runtime; undefined: there is none. */
export function callSite(stack: string | undefined = new Error().stack): CallSite | undefined {
  for (const line of stack?.split("\n") ?? []) {
    const [, address, row, column] =
      /^\s+at (?:.* \(|async )?((?:file:\/\/|\/|https?:\/\/).+):(\d+):(\d+)\)?$/.exec(line) ??
        [];
    if (address === undefined || isOurs(address) || address.includes("/node_modules/")) continue;
    return { file: address.replace(/^file:\/\//, ""), line: Number(row), column: Number(column) };
  }
  return undefined;
}

function isOurs(address: string): boolean {
  const [url, path] = [OURS, OURS.replace(/^file:\/\//, "")];
  const rest = [url, path].find((root) => address.startsWith(root));
  return rest !== undefined && PARTS.some((part) => address.slice(rest.length).startsWith(part));
}
