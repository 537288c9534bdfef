/**
 * Member names: the one check, used at every entry (command line, library, socket, file names read back).
 *
 * A name becomes a directory, a host name and an argument, so it has only characters that all three allow: 1 to 63 of
 * `a-z 0-9 -`, starting and ending with a letter or digit (RFC 1123 label, lower case).
 */

import { FleetboxError } from "./errors.ts";

export const MAX_NAME_LENGTH = 63;
/** How many members a group may have: its network has no more addresses for them (`network/subnet.ts`). */
export const MAX_MEMBERS = 189;
const NAME = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

export function isName(value: unknown): value is string {
  return typeof value === "string" && NAME.test(value);
}

/**
 * The name itself, when it is one.
 * @param what it is to be: checkpoints are named as members are
 * @throws {FleetboxError} `misuse`, saying what was found and what is expected.
 */
export function checkName(value: unknown, what = "a member name"): string {
  if (isName(value)) return value;
  const found = typeof value === "string" ? printable(value) : typeof value;
  const rule = `a name is 1 to ${MAX_NAME_LENGTH} of a-z, 0-9 and "-", and starts and ends with a letter or digit`;
  throw new FleetboxError("misuse", `Not ${what}: ${found}; ${rule}`, { hint: suggestion(value) });
}

/**
 * A list of distinct names, each checked, in the given order.
 * @throws {FleetboxError} `misuse` for a bad name, a name given twice, or no name at all.
 */
export function checkNames(values: readonly unknown[], what?: string): string[] {
  if (values.length === 0) throw new FleetboxError("misuse", "No member name given: expected at least one");
  const names = values.map((value) => checkName(value, what));
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new FleetboxError("misuse", `The name "${twice}" is given twice`);
  return names;
}

/** The cluster directory of a member: its name without a trailing `-<digits>` (`web-3` → `web`; `dev` → `dev`). */
export function clusterOf(name: string): string {
  return name.replace(/-[0-9]+$/, "") || name;
}

/** Names for a sentence: `a, b, c and 17 more`. */
export function listed(names: readonly string[]): string {
  return names.length <= 5 ? names.join(", ") : `${names.slice(0, 4).join(", ")} and ${names.length - 4} more`;
}

function printable(value: string): string {
  const shown = value.length > 80 ? `${value.slice(0, 77)}…` : value;
  return value.length > MAX_NAME_LENGTH
    ? `${JSON.stringify(shown)} (${value.length} characters)`
    : JSON.stringify(shown);
}

function suggestion(value: unknown): string | undefined {
  if (typeof value !== "string") return undefined;
  const parts = value.split(/[,\s]+/).filter(Boolean);
  if (parts.length > 1 && parts.every(isName)) return `Name one of them: ${parts.join(" or ")}`;
  const near = value.toLowerCase().replace(/[^a-z0-9-]+/g, "-").replace(/^-+|-+$/g, "").slice(0, MAX_NAME_LENGTH)
    .replace(/-+$/, "");
  return isName(near) ? `Did you mean "${near}"?` : undefined;
}
