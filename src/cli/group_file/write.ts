/** A group file with nothing left to say: every member with every default, as TOML and as JSON. */

import { variable } from "../../core/environment.ts";
import { imageReference } from "../../core/image_reference.ts";
import { DEFAULTS, parseSizeMiB } from "../../core/options.ts";
import { sizeText } from "../arguments/sizes.ts";
import type { FileGroup } from "./group.ts";
import { KEYS, NEEDS } from "./keys.ts";
import type { FileMember } from "./read.ts";

type Value = string | number | boolean | string[];

/** What a key is that neither the file nor the command line has. Absent: what the image says, or nothing. */
const WITHOUT: Record<string, Value> = {
  cpus: DEFAULTS.cpus,
  egress: DEFAULTS.egress,
  ready: "cloud-init",
  clock: "set",
  template: true,
  timeout: `${DEFAULTS.bootTimeoutMs / 1000}s`,
};

/** The same for the default image; another one's are in it. */
const OF_MICRO: Record<string, Value> = { memory: `${DEFAULTS.memoryMiB}M`, disk: sizeText(DEFAULTS.diskMiB) };

/** Every key of a member that has a value, in the order of the help. */
export function valuesOf({ flags, needs }: FileMember): Record<string, Value> {
  const image = flags.image ?? imageReference(variable("FLEETBOX_IMAGE") ?? DEFAULTS.image, Deno.cwd);
  const values: Record<string, Value> = {};
  for (const { name, flag, takes, isList } of KEYS.values()) {
    const own = flags[flag] as string | string[] | boolean | undefined;
    const value = name === "image"
      ? image
      : own ?? WITHOUT[name] ?? (image === DEFAULTS.image ? OF_MICRO[name] : undefined) ??
        (isList ? [] : takes === "boolean" ? false : undefined);
    if (value !== undefined) values[name] = normal(name, takes === "whole" ? Number(value) : value);
  }
  return { ...values, [NEEDS]: needs };
}

/** Sizes in one way. */
function normal(name: string, value: Value): Value {
  return typeof value === "string" && (name === "memory" || name === "disk")
    ? sizeText(parseSizeMiB(value, name))
    : value;
}

/** A group file that says all of it. */
export function groupToml({ members }: FileGroup): string {
  return members.map((member) => {
    const values = valuesOf(member);
    const lines = Object.entries(values).map(([key, value]) => `${key} = ${toml(value)}`);
    const open = ["arch", "firmware", "memory", "disk"].filter((key) => values[key] === undefined);
    return [
      `[members.${member.name}]`,
      ...lines,
      ...(open.length > 0 ? [`# of the image: ${open.join(", ")}`] : []),
    ].join("\n");
  }).join("\n\n");
}

export function groupJson({ file, members }: FileGroup): Record<string, unknown> {
  return { file, members: members.map((member) => ({ name: member.name, ...valuesOf(member) })) };
}

function toml(value: Value): string {
  if (Array.isArray(value)) return `[${value.map(toml).join(", ")}]`;
  if (typeof value !== "string") return String(value);
  // A string of JSON is one of TOML, except for the one control character that JSON lets pass.
  const quoted = (text: string) => JSON.stringify(text).replaceAll("\x7f", "\\u007f");
  if (!value.includes("\n")) return quoted(value);
  return `"""\n${value.split("\n").map((line) => quoted(line).slice(1, -1)).join("\n")}"""`;
}
