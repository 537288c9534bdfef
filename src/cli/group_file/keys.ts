/**
 * The keys of a member in a group file: the options of `up` that describe a member, by their names. So an option that is
 * added is a key at once, in the file, in `config` and in the schema.
 */

import { FleetboxError } from "../../core/errors.ts";
import { imageReference } from "../../core/image_reference.ts";
import { MAX_MEMBERS } from "../../core/names.ts";
import { resolve } from "../../system/path.ts";
import { addMemberFlags, type MemberFlags, parseSharedDirectory } from "../arguments/member_options.ts";
import { Command, type Option } from "../arguments/parser.ts";

/** What a key takes: a text, a whole number, either, or true and false. */
export type Takes = "text" | "whole" | "text or whole" | "boolean";

export interface Key {
  /** As in the file: `user-data`. */
  name: string;
  /** As commander calls it: `userData`. */
  flag: keyof MemberFlags;
  takes: Takes;
  /** Whether it may be given several times: it takes a list of these, too. */
  isList: boolean;
  /** The only texts that it takes. */
  choices?: string[];
  /** What the help calls its value: `image`, `file`, `host:guest`. */
  placeholder: string;
  /** What the help says of it. */
  what: string;
}

/** What is otherwise in a file than on the command line. */
const IN_A_FILE: Record<string, string> = {
  egress: "whether it reaches the outside (default: on)",
  "user-data": "settings for cloud-init in the guest: the path of a file, or its text when that has several lines",
};

/** By their names, in the order in which help lists them. */
export const KEYS: ReadonlyMap<string, Key> = keysOf(addMemberFlags(new Command("up")).options);

/** The keys of a member that are no options. */
export const NEEDS = "needs";
export const COUNT = "count";

function keysOf(options: readonly Option[]): Map<string, Key> {
  const keys = new Map<string, Key>();
  for (const option of options) {
    const name = option.long!.replace(/^--(no-)?/, "");
    const [, placeholder = ""] = /<(.+?)>/.exec(option.flags) ?? [];
    if (keys.has(name)) continue; // --no-host-access, the other half of --host-access
    keys.set(name, {
      name,
      flag: option.attributeName() as keyof MemberFlags,
      takes: placeholder === "" ? "boolean" : takes(name, placeholder),
      isList: placeholder !== "" && option.parseArg !== undefined,
      ...(placeholder.includes("|") ? { choices: placeholder.split("|") } : {}),
      placeholder,
      what: IN_A_FILE[name] ?? (option.negate ? `false: ${option.description}` : option.description),
    });
  }
  return keys;
}

function takes(name: string, placeholder: string): Takes {
  if (placeholder === "number") return "whole";
  return placeholder === "size" || placeholder === "duration" || name === "publish" ? "text or whole" : "text";
}

/** Whether it is user-data itself, and not the path of a file. */
export function isInline(name: string, text: string): boolean {
  return name === "user-data" && text.includes("\n");
}

/** A flag's text with the paths in it absolute: a file's are relative to its directory. */
export function absolute({ name, placeholder }: Key, text: string, dir: string): string {
  const cwd = () => dir;
  if (isInline(name, text) || (name === "run" && text === "-")) return text;
  if (placeholder === "image") return imageReference(text, cwd);
  if (placeholder === "file" || placeholder === "dir") return resolve(dir, text);
  if (name !== "fixture" && name !== "share") return text;
  const { host_path, guest_path } = parseSharedDirectory(text, cwd);
  return `${host_path}:${guest_path}`;
}

/** The flags of a command line, which are relative to its working directory, with absolute paths. */
export function absoluteFlags(flags: MemberFlags, dir: string): MemberFlags {
  const made: Record<string, unknown> = {};
  for (const key of KEYS.values()) {
    const value = flags[key.flag];
    if (value === undefined || (key.flag === "template" && value === true)) continue; // what is not said is true
    if (Array.isArray(value)) made[key.flag] = value.map((text) => absolute(key, text, dir));
    else made[key.flag] = typeof value === "string" ? absolute(key, value, dir) : value;
  }
  return made as MemberFlags;
}

/** The JSON Schema of a group file, for editors. Draft 7, which most of them know. */
export function groupFileSchema(): Record<string, unknown> {
  const options = Object.fromEntries([...KEYS.values()].map((key) => [key.name, schemaOf(key)]));
  const name = { type: "string", pattern: "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$" };
  const table = { type: "object", additionalProperties: false };
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "A group of machines, for fleetbox up -f",
    ...table,
    required: ["members"],
    properties: {
      $schema: { type: "string" },
      defaults: { description: "What members have that say nothing else.", ...table, properties: options },
      members: {
        description: "The members by their names, in the order in which fleetbox lists them.",
        type: "object",
        minProperties: 1,
        propertyNames: name,
        additionalProperties: {
          ...table,
          properties: {
            [NEEDS]: {
              description: "the members that run before this one boots",
              anyOf: [name, { type: "array", items: name }],
            },
            [COUNT]: {
              description: "that many, numbered: node-1, node-2, …",
              type: "integer",
              minimum: 1,
              maximum: MAX_MEMBERS,
            },
            ...options,
          },
        },
      },
    },
  };
}

function schemaOf({ takes, isList, choices, what }: Key): Record<string, unknown> {
  const types = { text: "string", whole: "integer", "text or whole": ["string", "integer"], boolean: "boolean" }[takes];
  const one = choices ? { enum: choices } : { type: types };
  return { description: what, ...(isList ? { anyOf: [one, { type: "array", items: one }] } : one) };
}

/** The error of a value, in the words of a file: `memory` in place of `--memory`. */
export function inWordsOfFile(error: FleetboxError): { message: string; hint?: string } {
  const plain = (text: string) =>
    text.replaceAll(/(?<![\w-])--(no-)?([a-z][a-z-]+)/g, (flag, _, name) => KEYS.has(name) ? name : flag);
  // A hint with a command line says what to type, not what to write.
  const hint = error.hint && !/(^|\s)-{1,2}[a-z]/.test(error.hint) ? error.hint : undefined;
  return { message: plain(error.message), hint };
}
