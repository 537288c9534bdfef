/**
 * What a click may run: a few commands, of the members of the group that is shown, with options that only make faults or name a
 * checkpoint. Pure: words in, words or the reason out. No word reaches a shell, and none is a path.
 */

import { GATEWAY } from "../../core/faults/gateway_name.ts";
import { checkName, listed } from "../../core/names.ts";

const FAULTS = ["partition", "drop", "hold", "shape", "flap"];
const COMMANDS = ["fault", "heal", "pause", "resume", "up", "stop", "suspend", "checkpoint", "capture"];
/** Those that a list of names may be empty for: the server says which group is meant. */
const WITHOUT_NAMES = ["heal", "capture"];
const OF_NAMES = ["--from", "--to"];
const OF_VALUES = ["--delay", "--jitter", "--loss", "--rate", "--duplicate", "--reorder", "--for", "--as"];
const ALONE = ["--one-way"];
const WORD = /^[a-z0-9][a-z0-9.,%-]*$/;
const MOST_WORDS = 64;

export type Wish = { words: string[] } | { why: string };

/** @param members those of the group */
export function wishOf(argv: unknown, members: readonly string[]): Wish {
  if (!Array.isArray(argv) || argv.length > MOST_WORDS || !argv.every((word) => typeof word === "string")) {
    return { why: `Expected {"argv":["pause","a"]}: at most ${MOST_WORDS} words` };
  }
  const [command = "", ...rest] = argv as string[];
  if (!COMMANDS.includes(command)) return { why: `"${command}" is not for clicks: expected ${listed(COMMANDS)}` };
  if (command === "fault" && !FAULTS.includes(rest.shift() ?? "")) return { why: `Expected ${listed(FAULTS)}` };
  const named: string[] = [];
  for (let at = 0; at < rest.length; at++) {
    const word = rest[at];
    if (ALONE.includes(word)) continue;
    const isOfNames = OF_NAMES.includes(word);
    if (isOfNames || OF_VALUES.includes(word)) {
      const value = rest[++at] ?? "";
      if (!WORD.test(value)) return { why: `Bad value for ${word}: found ${JSON.stringify(value)}` };
      if (isOfNames) named.push(...value.split(","));
    } else if (!WORD.test(word)) return { why: `${JSON.stringify(word)} is not for clicks` };
    else if (command !== "heal") named.push(...word.split(",")); // which ends faults by their ids
  }
  if (command === "fault" || command === "capture") members = [...members, GATEWAY];
  // Which also keeps the commands below a command out, such as `checkpoint rm`.
  const other = named.find((name) => !members.includes(name) || (command === "checkpoint" && isBelow(name)));
  if (other !== undefined) return { why: `"${other}" is not in the group: it has ${listed([...members])}` };
  if (named.length === 0 && !WITHOUT_NAMES.includes(command)) return { why: "Which members?" };
  return { words: argv };
}

/** A member may be called as one of the commands below `checkpoint`, which would be run then. */
const isBelow = (name: string) => ["ls", "list", "rm", "delete", "remove"].includes(name);

/** What the server adds: which group is meant, and where frames go. @param served the members that run, one at least */
export function completed(words: readonly string[], served: readonly string[], file: string): string[] {
  if (words[0] === "heal") return [...words, "--via", checkName(served[0])];
  if (words[0] !== "capture") return [...words];
  return [...words, ...(words.length === 1 ? [[...served, GATEWAY].join(",")] : []), "-w", file];
}
