/** What `uninstall` shows: a row for each kind of thing, with its size and place, and a line for what stays. */

import { bytesText } from "../arguments/sizes.ts";
import { terminalWidth } from "../terminal/output.ts";
import { tableLines } from "../terminal/table.ts";
import { wrapText } from "../terminal/wrap.ts";
import { KINDS, type Left, type Part } from "./part.ts";

/** So many names of one kind are shown; the last row says how many there are in all. */
const NAMES = 6;

/** @param parts in order @param root the store's */
export function partLines(parts: readonly Part[], root: string): string[] {
  const kinds = [...new Set(parts.map(({ kind }) => kind))];
  const rows = kinds.map((kind) => {
    const own = parts.filter((part) => part.kind === kind);
    return [KINDS[kind][own.length === 1 ? "one" : "many"], own] as const;
  });
  const sum = (some: readonly Part[]) => bytesText(some.reduce((bytes, one) => bytes + one.bytes, 0));
  const lines = tableLines(
    ["WHAT", "SIZE", "WHERE"],
    [
      ...rows.map(([what, own]) => [
        { text: `${own.length} ${what}` },
        { text: sum(own) },
        { text: own[0].kind === "cache" ? own.map(({ path }) => homePath(path)).join(", ") : inStore(own, root) },
      ]),
      [{ text: "in all" }, { text: sum(parts) }, { text: "" }],
    ],
  );
  const width = terminalWidth() ?? Infinity;
  return lines.map((line) => line.length > width ? `${line.slice(0, width - 1)}…` : line);
}

/** Where they are in the store, and what they are called. */
function inStore(parts: readonly Part[], root: string): string {
  const places = parts.map(({ path }) => path.slice(root.length + 1).split("/")[0]);
  const place = [...new Set(places)].join(", ");
  const names = parts.flatMap(({ name }) => name === undefined ? [] : [name]);
  if (names.length === 0) return place;
  const more = names.length > NAMES ? `, and ${names.length - NAMES} more` : "";
  return `${place}: ${names.slice(0, NAMES).join(", ")}${more}`;
}

export function leftLines(left: readonly Left[]): string[] {
  if (left.length === 0) return [];
  const lines = ["left, for you to remove if you want:", ...left.map(({ path, why }) => `  ${homePath(path)}: ${why}`)];
  return [wrapText(lines.join("\n"), terminalWidth() ?? Infinity)];
}

/** A path as users write it. */
export function homePath(path: string): string {
  const home = Deno.env.get("HOME");
  return home && path.startsWith(`${home}/`) ? `~${path.slice(home.length)}` : path;
}
