/**
 * What runs in a member's guest once (`up --run`): the config has the digest of each, and the text of those that have not run to their
 * end. So an interrupted one is run again at the next boot, and none runs twice.
 */

import { hex } from "../core/bytes.ts";
import type { Script } from "../core/options.ts";
import { join } from "../core/paths.ts";
import { sha256 } from "../core/sha256.ts";
import type { Store } from "../store.ts";

/** A script of a member. */
export interface MemberScript {
  name: string;
  /** Of its text. A script with another text is another one. */
  digest: string;
  /** Absent: it has run to its end, without a failure. */
  text?: string;
}

/** A script that has not run to its end. */
export type PendingScript = MemberScript & { text: string };

/** So many that have run are remembered. */
const MAX_DONE = 100;

interface HasScripts {
  scripts?: MemberScript[];
}

/**
 * A member's scripts when it is given these: those that have run, then the given ones that have not. Earlier ones that
 * have not run to their end are replaced, because who gives a script again has mended it. Pure.
 */
export function withScripts(has: MemberScript[] | undefined, given: readonly Script[] | undefined) {
  if (given === undefined || given.length === 0) return has;
  const done = (has ?? []).filter(({ text }) => text === undefined).slice(-MAX_DONE);
  const next: MemberScript[] = [];
  for (const { name, text } of given) {
    const digest = scriptDigest(text);
    if (![...done, ...next].some((one) => one.digest === digest)) next.push({ name, digest, text });
  }
  return [...done, ...next];
}

export function scriptDigest(text: string): string {
  return hex(sha256(text)).slice(0, 16);
}

export function pendingScripts({ scripts = [] }: HasScripts): PendingScript[] {
  return scripts.filter((one): one is PendingScript => one.text !== undefined);
}

/** The same scripts, of which these have run to their end. Pure. */
export function afterRun(scripts: readonly MemberScript[], digests: readonly string[]): MemberScript[] {
  return scripts.map(({ name, digest, text }) =>
    text === undefined || digests.includes(digest) ? { name, digest } : { name, digest, text }
  );
}

/** What is told of a script that is not run, because it has run. */
export function ranBefore(member: string, script: string): string {
  return `${member}: ${script} has run before, and is not run again; a changed one is`;
}

/** What the scripts of a member have said. */
export function scriptLog(store: Store, name: string): string {
  return join(store.member(name).dir, "run.log");
}
