/** `fleetbox suspend`: saves members beside their disks and ends their machines; `up` goes on from there. */

import { Command } from "../arguments/parser.ts";
import { FleetboxError } from "../../core/errors.ts";
import type { Store } from "../../store.ts";
import { throwAll } from "../error_text.ts";
import { adoptAndTell } from "../adopt_and_tell.ts";
import { namesAndAll, parseNames, whichMembers } from "../arguments/name_arguments.ts";
import { openStore } from "../arguments/open_store.ts";
import { requireMember } from "../arguments/store_access.ts";
import { leftAlone, observeAll, ofPrograms, silencesOf } from "../../control/observe.ts";
import { groupsToSave } from "../../control/snapshots/group_to_save.ts";
import { suspend } from "../../control/snapshots/suspend.ts";
import { Interrupt } from "../terminal/interrupt.ts";
import { isLive, say, sayJson } from "../terminal/output.ts";
import { progressFor, VERBOSE } from "../terminal/progress.ts";

interface Flags {
  all?: boolean;
  json?: boolean;
  verbose?: boolean;
}

export function suspendCommand(): Command {
  return new Command("suspend")
    .description("save members with their memory and end their machines; up goes on from there")
    .argument("[names...]", "running members: a,b,c or a b c")
    .option("--all", "every running member, except those of a running program")
    .option("--verbose", VERBOSE)
    .option("--json", "one JSON object per event")
    .addHelpText(
      "after",
      `
Members of one group are saved at one instant; the rest of the group runs on. Members that are
started together again go on together: connections between them, too. up --cold boots instead,
as after a power cut.

Events of --json: {"event":"member","member":{…}} for each change, and at the end
{"event":"suspend","suspended":["a"],"already":["b"]}.

Examples:
  fleetbox suspend a,b,c
  fleetbox up a,b,c`,
    )
    .action(async (words: string[], flags: Flags) => {
      const store = openStore();
      const { names, spared, silences } = await chosen(store, words, flags.all ?? false);
      await adoptAndTell(store, names);
      const members = await Promise.all(names.map((name) => requireMember(store, name)));
      const already = members.filter(({ isSuspended }) => isSuspended).map(({ name }) => name);
      const groups = groupsToSave(members.filter(({ isSuspended }) => !isSuspended), "suspend");

      const progress = progressFor(names.filter((name) => !already.includes(name)), flags);
      if (spared.length > 0) progress.note(leftAlone(spared));
      for (const name of already) progress.note(`${name} is already suspended`);
      using interrupt = new Interrupt(() => void progress.end());
      const [suspended, failures]: [string[], unknown[]] = [[], silences];
      await Promise.all(groups.map(async (group) => {
        try {
          await suspend(store, {
            names: group.names,
            verbose: flags.verbose,
            signal: interrupt.signal,
            onEvent: (event) => {
              if (event.event === "member" && (flags.json || isLive())) progress.member(event.member);
              if (event.event === "detail" && flags.verbose) progress.detail(event);
            },
          });
          suspended.push(...group.names);
        } catch (thrown) {
          failures.push(thrown);
        }
      }));
      progress.end();
      const inOrder = names.filter((name) => suspended.includes(name));
      if (flags.json) sayJson({ event: "suspend", suspended: inOrder, already });
      else if (names.length === 0 && silences.length === 0) say("nothing runs");
      else for (const name of inOrder) say(`${name} suspended`);
      if (interrupt.happened) {
        throw new FleetboxError("interrupted", "Interrupted; what has begun to be suspended comes to its end", {
          hint: "List the members: fleetbox ls",
        });
      }
      throwAll(failures);
    });
}

/**
 * The names on the command line, or with `--all` every running member; `spared` are members of running programs, `silences`
 * tell of holders that did not answer.
 */
async function chosen(
  store: Store,
  words: string[],
  all: boolean,
): Promise<{ names: string[]; spared: string[]; silences: FleetboxError[] }> {
  if (!all) {
    if (words.length > 0) return { names: parseNames(words), spared: [], silences: [] };
    throw whichMembers("suspend");
  }
  if (words.length > 0) throw namesAndAll("suspend", words);
  const { members, groups } = await observeAll(store, 5_000);
  const running = members.filter(({ report }) => report?.state === "running");
  const spared = ofPrograms(running, groups);
  return {
    names: running.map(({ name }) => name).filter((name) => !spared.includes(name)),
    spared,
    silences: silencesOf(members),
  };
}
