/** A group file as its members, checked: whatever is wrong with it is told with its place, all at once. */

import { FleetboxError } from "../../core/errors.ts";
import { checkName, isName, MAX_MEMBERS } from "../../core/names.ts";
import { collides, type HostEnd } from "../../core/port_forwards.ts";
import { nearest, suggestion } from "../../core/nearest.ts";
import type { Options } from "../../core/options.ts";
import { checkUserData } from "../../guest/user_data.ts";
import { type MemberFlags, memberOptions } from "../arguments/member_options.ts";
import { throwAll } from "../error_text.ts";
import { forwardText } from "../../store/forwards.ts";
import { absolute, COUNT, inWordsOfFile, isInline, type Key, KEYS, NEEDS } from "./keys.ts";
import { type Entry, misuseAt, type Node, type Place, readToml, type Table } from "./toml.ts";

/** A member that a file stands for. */
export interface FileMember {
  name: string;
  /** The name of its table, of which `count` makes several. */
  table: string;
  /** Its options and the file's defaults, as flags of a command line, with absolute paths. */
  flags: MemberFlags;
  /** The members that run before it boots. */
  needs: string[];
}

/** How many problems are told. */
const MAX_PROBLEMS = 20;

/** What other tools call these. */
const SYNONYMS: Record<string, string> = {
  depends_on: NEEDS,
  replicas: COUNT,
  scale: COUNT,
  ports: "publish",
  volumes: "fixture",
  mounts: "fixture",
  mem: "memory",
  cpu: "cpus",
  services: "members",
  machines: "members",
};

/**
 * The members of a group file, in its order.
 * @param from its name, for errors
 * @param dir to which its paths are relative
 * @throws {FleetboxError} `misuse`, or several of them
 */
export function readGroupFile(text: string, from: string, dir: string): FileMember[] {
  return new Reader(from, dir).read(readToml(text, from));
}

/** The options of a member for the wire. @throws {FleetboxError} `misuse`, in the words of a command line; `not-found` */
export function optionsOfFlags(flags: MemberFlags): Options {
  const { userData } = flags;
  if (userData === undefined || !isInline("user-data", userData)) return memberOptions(flags, Deno.cwd, "");
  const { userData: _, ...others } = flags;
  return { ...memberOptions(others, Deno.cwd, ""), user_data: checkUserData(userData) };
}

/** A table of members, and what it needs, which may come later in the file. */
interface Draft {
  table: string;
  at: Place;
  names: string[];
  flags: MemberFlags;
  needs: { word: string; at: Place }[];
}

class Reader {
  readonly #problems: { at: Place; error: FleetboxError }[] = [];

  constructor(private readonly from: string, private readonly dir: string) {}

  read(root: Table): FileMember[] {
    const top = this.#entries(root, ["defaults", "members", "$schema"], "a group file");
    const defaults = top.get("defaults");
    const common = defaults ? this.#options(this.#table(defaults, "[defaults]"), [...KEYS.keys()], "[defaults]") : {};
    const members = top.get("members");
    const tables = members ? this.#table(members, "[members.a]") : undefined;
    const drafts = [...tables?.entries.values() ?? []].flatMap((entry) => this.#draft(entry, common) ?? []);
    const isEmpty = !members || (members.value.kind === "table" && members.value.entries.size === 0);
    if (isEmpty) this.#add(root.at, "there are no members in it", "Each is a table: [members.a]");
    this.#checkNames(drafts);
    this.#checkPorts(drafts);
    const made = this.#withNeeds(drafts);
    this.#problems.sort((a, b) => a.at.line - b.at.line || a.at.column - b.at.column);
    throwAll(this.#problems.slice(0, MAX_PROBLEMS).map(({ error }) => error));
    return made;
  }

  #add(at: Place, message: string, hint?: string): void {
    this.#problems.push({ at, error: misuseAt(this.from, at, message, hint) });
  }

  /** The entries of a table that are known. */
  #entries(table: Table, known: readonly string[], what: string): Map<string, Entry> {
    const found = new Map<string, Entry>();
    for (const [key, entry] of table.entries) {
      if (known.includes(key)) found.set(key, entry);
      else this.#unknown(entry, known, what);
    }
    return found;
  }

  #unknown({ key, at, value }: Entry, known: readonly string[], what: string): void {
    const dashed = key.replaceAll("_", "-").toLowerCase();
    const meant = [SYNONYMS[key], dashed].find((word) => known.includes(word));
    const isMember = known.includes("members") && value.kind === "table" && isName(key) && !nearest(key, known);
    const hint = meant !== undefined
      ? `Did you mean ${meant}?`
      : known.includes("members") && KEYS.has(dashed)
      ? `For all members: [defaults] and ${dashed} on lines of their own`
      : isMember
      ? `A member is a table of its own: [members.${key}]`
      : suggestion(dashed, known);
    this.#add(at, `${what} has no key ${JSON.stringify(key)}`, hint);
  }

  #table({ key, value }: Entry, example: string): Table {
    if (value.kind === "table") return value;
    this.#add(value.at, `${key} is ${shown(value)}, expected a table`, `Write ${example} on a line of its own.`);
    return { kind: "table", at: value.at, entries: new Map() };
  }

  /** The flags that a table's options stand for. */
  #options(table: Table, known: readonly string[], what: string): MemberFlags {
    const flags: Record<string, unknown> = {};
    for (const [name, { value }] of this.#entries(table, known, what)) {
      const key = KEYS.get(name);
      if (key) flags[key.flag] = this.#value(key, value);
    }
    return flags as MemberFlags;
  }

  #value(key: Key, node: Node): string | string[] | boolean | undefined {
    if (node.kind !== "list") {
      const value = this.#one(key, node);
      return key.isList && typeof value === "string" ? [value] : value;
    }
    if (!key.isList) return void this.#add(node.at, `${key.name} takes one value, found a list`);
    const before = this.#problems.length;
    const values = node.items.flatMap((item) => this.#one(key, item) ?? []) as string[];
    // Such as one mount point in another.
    if (this.#problems.length === before) this.#check(key, values, node.at);
    return values;
  }

  /** A single value. Undefined: it is none, which is told. */
  #one(key: Key, node: Node): string | boolean | undefined {
    const value = valueOf(key, node);
    if (value === undefined) {
      const choices = key.choices?.map((word) => JSON.stringify(word)).join(" or ");
      this.#add(node.at, `Bad value for ${key.name}: found ${shown(node)}, expected ${choices ?? EXPECTED[key.takes]}`);
      return undefined;
    }
    if (typeof value === "boolean") return value;
    return this.#check(key, value, node.at);
  }

  /** A value with absolute paths, when the command line would take it. */
  #check<T extends string | string[]>(key: Key, value: T, at: Place): T | undefined {
    try {
      const made = typeof value === "string" ? absolute(key, value, this.dir) as T : value;
      optionsOfFlags({ [key.flag]: key.isList && typeof made === "string" ? [made] : made });
      return made;
    } catch (thrown) {
      if (!(thrown instanceof FleetboxError)) throw thrown;
      const { message, hint } = inWordsOfFile(thrown);
      this.#add(at, message, hint);
    }
  }

  #draft(entry: Entry, common: MemberFlags): Draft | undefined {
    const { key: table, at } = entry;
    try {
      checkName(table);
    } catch (thrown) {
      const { message, hint } = thrown as FleetboxError;
      return void this.#add(at, message, hint);
    }
    const body = this.#table(entry, `[members.${table}]`);
    const flags = { ...common, ...this.#options(body, [NEEDS, COUNT, ...KEYS.keys()], "a member") };
    const count = body.entries.get(COUNT)?.value;
    return { table, at, names: this.#names(table, count), flags, needs: this.#words(body.entries.get(NEEDS)?.value) };
  }

  #names(table: string, count: Node | undefined): string[] {
    if (!count) return [table];
    const isCount = count.kind === "number" && Number.isInteger(count.value) && count.value >= 1 &&
      count.value <= MAX_MEMBERS;
    if (!isCount) {
      const expected = `a whole number from 1 to ${MAX_MEMBERS}`;
      this.#add(count.at, `Bad value for ${COUNT}: found ${shown(count)}, expected ${expected}`);
      return [table];
    }
    const names = Array.from({ length: count.value }, (_, index) => `${table}-${index + 1}`);
    const bad = names.find((name) => !isName(name));
    if (bad !== undefined) this.#add(count.at, `${JSON.stringify(bad)} is too long for a name`);
    return names;
  }

  #words(needs: Node | undefined): { word: string; at: Place }[] {
    const items = needs === undefined ? [] : needs.kind === "list" ? needs.items : [needs];
    return items.flatMap((item) => {
      if (item.kind === "text") return [{ word: item.value, at: item.at }];
      this.#add(item.at, `Bad value for ${NEEDS}: found ${shown(item)}, expected a member's name`);
      return [];
    });
  }

  #checkNames(drafts: readonly Draft[]): void {
    const places = new Map<string, string>();
    for (const { table, at, names } of drafts) {
      const twice = names.find((name) => places.has(name));
      if (twice) this.#add(at, `"${twice}" is there twice: [members.${places.get(twice)}] makes one, too`);
      for (const name of names) places.set(name, table);
    }
    const last = drafts.at(-1);
    if (last && places.size > MAX_MEMBERS) {
      this.#add(last.at, `found ${places.size} members, expected at most ${MAX_MEMBERS} on one network`);
    }
  }

  /** A port of this host leads to one member. */
  #checkPorts(drafts: readonly Draft[]): void {
    const taken: { end: HostEnd; name: string }[] = [];
    for (const { at, names, flags } of drafts) {
      for (const wish of optionsOfFlags({ publish: flags.publish }).publish ?? []) {
        if (wish.host_port === undefined) continue;
        const end = { ...wish, host_port: wish.host_port };
        const other = taken.find((one) => collides(one.end, end))?.name;
        const [first, second] = other === undefined ? names : [other, names[0]];
        taken.push({ end, name: names[0] });
        if (second === undefined) continue;
        const found = first === second ? "two" : `"${first}" and "${second}"`;
        const message = `port ${wish.host_port} of this host can lead to one port of one member, found ${found}`;
        this.#add(at, message, `Let a port be chosen: publish = ["${forwardText({ ...wish, host_port: undefined })}"]`);
      }
    }
  }

  #withNeeds(drafts: readonly Draft[]): FileMember[] {
    const namesOf = (word: string) =>
      drafts.find(({ table }) => table === word)?.names ??
        drafts.flatMap(({ names }) => names.filter((n) => n === word));
    const known = [...new Set(drafts.flatMap(({ table, names }) => [table, ...names]))];
    const needs = new Map<string, string[]>();
    for (const draft of drafts) {
      for (const { word, at } of draft.needs) {
        const found = namesOf(word);
        if (found.length === 0) this.#add(at, `there is no member "${word}" in it`, suggestion(word, known, true));
        for (const name of draft.names) needs.set(name, [...new Set([...needs.get(name) ?? [], ...found])]);
        const circle = draft.names.flatMap((name) => circleFrom(name, needs) ?? [])[0];
        if (circle === undefined) continue;
        this.#add(at, `they wait for each other: ${circle}`);
        for (const name of draft.names) needs.delete(name); // told once
      }
    }
    return drafts.flatMap(({ table, names, flags }) =>
      names.map((name) => ({ name, table, flags, needs: needs.get(name) ?? [] }))
    );
  }
}

/** `a needs b, b needs a`, when a member waits for itself. */
function circleFrom(start: string, needs: ReadonlyMap<string, readonly string[]>): string | undefined {
  const seen = new Set<string>();
  const follow = (name: string, path: string[]): string[] | undefined => {
    for (const need of needs.get(name) ?? []) {
      const way = [...path, `"${name}" needs "${need}"`];
      if (need === start) return way;
      if (seen.has(need)) continue;
      seen.add(need);
      const found = follow(need, way);
      if (found) return found;
    }
  };
  return follow(start, [])?.join(", ");
}

const EXPECTED: Record<Key["takes"], string> = {
  text: "text in quotes",
  whole: "a whole number",
  "text or whole": "text in quotes or a whole number",
  boolean: "true or false",
};

/** A value as a flag has it. Undefined: it is of another kind than the key takes. */
function valueOf({ takes }: Key, node: Node): string | boolean | undefined {
  if (node.kind === "boolean") return takes === "boolean" ? node.value : undefined;
  if (node.kind === "text") return takes === "text" || takes === "text or whole" ? node.value : undefined;
  const isWhole = node.kind === "number" && Number.isSafeInteger(node.value);
  return isWhole && (takes === "whole" || takes === "text or whole") ? String(node.value) : undefined;
}

/** A value, for an error. */
function shown(node: Node): string {
  if (node.kind === "table" || node.kind === "list") return `a ${node.kind}`;
  const text = JSON.stringify(node.value) ?? String(node.value);
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}
