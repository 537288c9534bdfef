/** What a group file stands for, after the command line's overrides: the members, and what each is asked for. */

import { variable } from "../../core/environment.ts";
import { FleetboxError, isNotFound } from "../../core/errors.ts";
import { isName } from "../../core/names.ts";
import { suggestion } from "../../core/nearest.ts";
import { DEFAULTS, type Options, optionsOf, type OptionsOfSome } from "../../core/options.ts";
import { dirname, resolve } from "../../system/path.ts";
import { exists } from "../../system/files.ts";
import { shellQuote } from "../../core/quoting.ts";
import { checkPublished, type MemberFlags } from "../arguments/member_options.ts";
import { parseNames } from "../arguments/name_arguments.ts";
import { absoluteFlags } from "./keys.ts";
import { type FileMember, optionsOfFlags, readGroupFile } from "./read.ts";

/** The file of `-f` alone. */
export const DEFAULT_FILE = "fleetbox.toml";

const MAX_BYTES = 1024 * 1024;
/** Linux takes no longer text in an environment. */
const MAX_OPTIONS_BYTES = 120 * 1024;

export interface FileGroup {
  /** Its absolute path, or `-` for standard input. */
  file: string;
  /** Those that are wanted, in the file's order. */
  members: FileMember[];
  /** The file's other members. */
  others: string[];
}

/**
 * Reads a group file.
 * @param file true: {@link DEFAULT_FILE}; `-`: standard input
 * @param words the members that are wanted, with those that they need; none: all
 * @param flags the command line's, which come before the file's
 * @throws {FleetboxError} `not-found`: the file, or a member in it; `misuse`, or several of them
 */
export async function readGroup(file: string | true, words: readonly string[], flags: MemberFlags): Promise<FileGroup> {
  const path = file === true ? DEFAULT_FILE : file;
  const text = await read(path, file === true, words);
  const from = path === "-" ? "standard input" : path;
  const all = readGroupFile(text, from, path === "-" ? Deno.cwd() : dirname(resolve(path)));
  const wanted = chosen(all, words, from);
  const override = absoluteFlags(flags, Deno.cwd());
  const members = all.filter(({ name }) => wanted.has(name));
  checkPublished(members.map(({ name }) => name), optionsOfFlags({ publish: override.publish }));
  return {
    file: path === "-" ? path : resolve(path),
    members: members.map((member) => ({ ...member, flags: { ...member.flags, ...override } })),
    others: all.map(({ name }) => name).filter((name) => !wanted.has(name)),
  };
}

/** What the members are asked for, for the wire. */
export function wishOf({ members }: FileGroup): { options: Options; asked: Options; timeoutMs: number } {
  const image = variable("FLEETBOX_IMAGE");
  const asked: OptionsOfSome[] = [];
  const options = new Map<string, OptionsOfSome>();
  for (const { name, flags, needs } of members) {
    const its = optionsOfFlags(flags);
    asked.push({ names: [name], options: its });
    const own = { ...image === undefined ? {} : optionsOfFlags({ image }), ...its, needs, inherit: false };
    const key = JSON.stringify(own);
    const same = options.get(key);
    if (same) same.names.push(name);
    else options.set(key, { names: [name], options: own });
  }
  const wish = { members: [...options.values()] };
  const bytes = new TextEncoder().encode(JSON.stringify(wish)).length;
  if (bytes > MAX_OPTIONS_BYTES) {
    const found = `found ${Math.ceil(bytes / 1024)} KiB, expected at most ${MAX_OPTIONS_BYTES / 1024}`;
    throw new FleetboxError("misuse", `The options and the user-data of the members are too long together: ${found}`, {
      hint: 'Put large files into a shared directory: fixture = ["HOST_DIR:GUEST_DIR"]',
    });
  }
  return { options: wish, asked: { members: asked }, timeoutMs: longestMs(members, wish) };
}

/** How long the members may take that boot one after the other. */
function longestMs(members: readonly FileMember[], options: Options): number {
  const known = new Map<string, number>();
  const until = (name: string): number => {
    const found = known.get(name);
    if (found !== undefined) return found;
    const { needs = [], boot_timeout_ms = DEFAULTS.bootTimeoutMs } = optionsOf(options, name);
    const made = Math.max(0, ...needs.map(until)) + boot_timeout_ms;
    known.set(name, made);
    return made;
  };
  return Math.max(...members.map(({ name }) => until(name)));
}

/** The names that words stand for, with those that they need. */
function chosen(all: readonly FileMember[], words: readonly string[], from: string): Set<string> {
  const wanted = new Set<string>();
  const add = ({ name, needs }: FileMember) => {
    if (wanted.has(name)) return;
    wanted.add(name);
    for (const member of all) if (needs.includes(member.name)) add(member);
  };
  if (words.length === 0) all.forEach(add);
  else {
    for (const word of parseNames(words)) {
      const named = all.filter(({ name, table }) => name === word || table === word);
      if (named.length === 0) {
        const known = new Set(all.flatMap(({ name, table }) => [table, name]));
        throw new FleetboxError("not-found", `There is no member "${word}" in ${from}`, {
          hint: suggestion(word, [...known], true),
        });
      }
      named.forEach(add);
    }
  }
  return wanted;
}

async function read(path: string, isDefault: boolean, words: readonly string[]): Promise<string> {
  let bytes: Uint8Array;
  try {
    if (path !== "-" && (await Deno.stat(path)).isDirectory) throw isDirectory(path);
    using file = path === "-" ? undefined : await Deno.open(path);
    bytes = await readAll(file ?? Deno.stdin);
  } catch (cause) {
    if (cause instanceof FleetboxError) throw cause;
    if (isNotFound(cause)) throw noFile(path, isDefault, words, cause);
    throw new FleetboxError(
      cause instanceof Deno.errors.PermissionDenied ? "denied" : "failed",
      `Cannot read ${path}`,
      {
        cause,
      },
    );
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new FleetboxError("misuse", `${path} is not UTF-8 text`, { cause });
  }
}

/** A pipe has no size, so reading stops at the limit. */
async function readAll(file: { read(into: Uint8Array): Promise<number | null> }): Promise<Uint8Array> {
  const bytes = new Uint8Array(MAX_BYTES + 1);
  let length = 0;
  for (let count; length < bytes.length && (count = await file.read(bytes.subarray(length))) !== null;) length += count;
  if (length <= MAX_BYTES) return bytes.subarray(0, length);
  throw new FleetboxError("misuse", "The group file is too long, expected at most 1 MiB");
}

function noFile(path: string, isDefault: boolean, words: readonly string[], cause: unknown): FleetboxError {
  const rest = words.map(shellQuote).join(" ");
  // `up -f web` is meant to be `up -f fleetbox.toml web`.
  const hint = isDefault
    ? "Name one: -f FILE. What is in it: docs/group-file.md, fleetbox config --help"
    : isName(path) && exists(DEFAULT_FILE)
    ? `The file comes first: -f ${DEFAULT_FILE} ${[shellQuote(path), rest].filter(Boolean).join(" ")}`
    : undefined;
  return new FleetboxError("not-found", `There is no file ${path}`, { cause, hint });
}

function isDirectory(path: string): FleetboxError {
  const inside = `${path.replace(/\/+$/, "")}/${DEFAULT_FILE}`;
  return new FleetboxError("misuse", `${path} is a directory, expected a file`, {
    hint: exists(inside) ? `Did you mean ${inside}?` : undefined,
  });
}
