/** Names for machines without a given name: unique without coordination, and short. */

import { createHash } from "node:crypto";
import { MAX_NAME_LENGTH } from "../core/names.ts";
import type { Options } from "../core/options.ts";
import type { MemberOptions } from "./types.ts";

const LETTERS = "abcdefghjkmnpqrstvwxyz23456789"; // without similar characters

/** Random letters and digits, the first one a letter. */
export function randomWord(length: number): string {
  const bytes = crypto.getRandomValues(new Uint8Array(length));
  return [...bytes].map((byte, at) => LETTERS[byte % (at === 0 ? 22 : LETTERS.length)]).join("");
}

/** A unique name: `vm-` and ten letters, 48 bits. */
export function uniqueName(): string {
  return `vm-${randomWord(10)}`;
}

/**
 * A name in the store for a machine whose caller gave it a host name: readable, and one that nothing else has, so that
 * programs whose machines have the same names run side by side.
 */
export function storeNameOf(hostName: string): string {
  const tail = `-${randomWord(10)}`;
  return `${hostName.slice(0, MAX_NAME_LENGTH - tail.length).replace(/-+$/, "")}${tail}`;
}

/** Names of a group: `vm-<random>-1`, `…-2`, and so on, whose directories are beside each other in the store. */
export function uniqueNames(count: number, stem: string = uniqueName()): string[] {
  return Array.from({ length: count }, (_, index) => `${stem}-${index + 1}`);
}

/**
 * A name for a test's machine, similar to the test's name, and unique for each file, process and call, so that parallel
 * test files cannot collide.
 * @param room how many characters must stay free for what the caller appends.
 */
export function testName(title: string, file: string, room = 0): string {
  const digest = createHash("sha256").update(`${file}\0${title}`).digest("hex").slice(0, 4);
  const tail = `-${digest}-${randomWord(6)}`;
  const words = title.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "");
  const space = Math.min(24, MAX_NAME_LENGTH - tail.length - room);
  const stem = words.slice(0, space).replace(/-+$/, "");
  return `${stem === "" ? "test" : stem}${tail}`;
}

/** A machine that is wanted: what its caller calls it, which is the host name of a new one, and what the store does. */
export interface Wanted {
  name: string;
  storeName: string;
  /** What it is to have in place of its group's. */
  own?: MemberOptions;
  /** The address that it is to have. @default the lowest free one */
  ip?: string;
}

/** The host names of machines that the store calls something else. */
export function hostNames(wanted: readonly Wanted[]): Pick<Options, "host_names"> {
  const others = wanted.filter(({ name, storeName }) => name !== storeName);
  return others.length === 0
    ? {}
    : { host_names: Object.fromEntries(others.map(({ name, storeName }) => [storeName, name])) };
}
