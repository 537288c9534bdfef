/** `fleetbox rm`: deletes members with their disks. The only command that deletes a disk. */

import { Command } from "../arguments/parser.ts";
import { FleetboxError } from "../../core/errors.ts";
import type { Store } from "../../store.ts";
import { diskOf } from "../../store/disk.ts";
import { bytesUsed } from "../../system/files.ts";
import { throwAll } from "../error_text.ts";
import { ask, canAsk, forceMissing } from "../terminal/consent.ts";
import { Interrupt } from "../terminal/interrupt.ts";
import { namesAndAll, parseNames, whichMembers } from "../arguments/name_arguments.ts";
import { leftAlone, observeAll, observeGroups, observeMember, ofPrograms, orphansOf } from "../../control/observe.ts";
import { say, sayJson } from "../terminal/output.ts";
import { progressFor, VERBOSE } from "../terminal/progress.ts";
import { isInStore, logNames, removeLogs } from "../../control/remove.ts";
import { bytesText } from "../arguments/sizes.ts";
import { removeEach } from "../up/remove_each.ts";
import { stopMembers } from "./stop.ts";
import { openStore } from "../arguments/open_store.ts";
import { unknownMember } from "../arguments/store_access.ts";

interface Flags {
  all?: boolean;
  force?: boolean;
  json?: boolean;
  verbose?: boolean;
}

export function rmCommand(): Command {
  return new Command("rm")
    .aliases(["delete", "remove", "destroy"])
    .description("delete members with their disks; cuts the power of running ones")
    .argument("[names...]", "members: a,b,c or a b c")
    .option("--all", "every member, except those of a running program")
    .option("-f, --force", "do not ask, and also end machines that do not answer")
    .option("--verbose", VERBOSE)
    .option("--json", "one JSON object per event; does not ask")
    .addHelpText(
      "after",
      `
Asks first when both input and output are a terminal. Elsewhere members that are
named are deleted unasked, and --all needs --force.

Events of --json: {"event":"member","member":{…}} for each change, and at the end {"event":"rm","removed":["a"]}.

Examples:
  fleetbox rm a
  fleetbox rm --all -f`,
    )
    .action(async (words: string[], flags: Flags) => {
      const store = openStore();
      const { known, unknown, spared } = await chosen(store, words, flags.all ?? false);
      if (known.length > 0 && !flags.force) {
        if (canAsk(flags)) await askFor(store, known);
        else if (flags.all) {
          const json = flags.json ? " --json" : "";
          throw forceMissing(known.length === 1 ? known[0] : `all ${known.length} members`, `rm --all${json}`);
        }
      }

      const progress = progressFor(known, flags);
      if (spared.length > 0) progress.note(leftAlone(spared));
      using interrupt = new Interrupt(() => void progress.end());
      const served = await servedOf(store, known);
      const logs = logNames(store, known);
      // The disk will be deleted, so the guest is not asked to shut down.
      const options = { force: flags.force, graceMs: 0, verbose: flags.verbose, signal: interrupt.signal };
      const stopped = await stopMembers(store, served, options, progress);
      progress.end();
      if (interrupt.happened) throw new FleetboxError("interrupted", "Interrupted; nothing was removed");

      const kept = new Set(
        served.filter((name) => !stopped.stopped.includes(name) && !stopped.notRunning.includes(name)),
      );
      const { removed, failures } = await removeEach(store, known.filter((one) => !kept.has(one)), flags);
      removeLogs(store, logs);
      if (flags.json) sayJson({ event: "rm", removed });
      else if (flags.all && known.length === 0) say("no members");
      throwAll([...unknown, ...stopped.failures, ...failures]);
    });
}

interface Chosen {
  known: string[];
  /** An error for each unknown name. */
  unknown: unknown[];
  /** Members of running programs, which `--all` skips. */
  spared: string[];
}

async function chosen(store: Store, words: string[], all: boolean): Promise<Chosen> {
  if (all && words.length > 0) throw namesAndAll("rm", words);
  if (all) {
    const { members, groups } = await observeAll(store, 5_000);
    const spared = ofPrograms(members, groups);
    return { known: members.map(({ name }) => name).filter((name) => !spared.includes(name)), unknown: [], spared };
  }
  if (words.length === 0) throw whichMembers("rm");
  const names = parseNames(words);
  const alive = orphansOf(observeGroups(store));
  // A machine may run although its member's directory was deleted.
  const found = await Promise.all(names.map(async (name) => {
    if (isInStore(store, name) || alive.includes(name)) return true;
    const { report, silence } = await observeMember(store, name);
    return report !== undefined || silence !== undefined;
  }));
  const known = names.filter((_, index) => found[index]);
  const unknown = names.filter((name) => !known.includes(name)).map((name) => unknownMember(store, name));
  return { known, unknown: await Promise.all(unknown), spared: [] };
}

/** Members that must be stopped first: a holder serves them, or their machine runs without one. */
async function servedOf(store: Store, names: readonly string[]): Promise<string[]> {
  const alive = new Set(observeGroups(store).flatMap((group) => group.machinesAlive));
  const members = await Promise.all(names.map((name) => observeMember(store, name)));
  return members.filter(({ name, report, silence }) => report || silence || alive.has(name)).map(({ name }) => name);
}

/** @throws {FleetboxError} the user did not agree. */
async function askFor(store: Store, names: readonly string[]): Promise<void> {
  say("This deletes:");
  for (const name of names) {
    const { report, isSuspended } = await observeMember(store, name);
    const stored = store.readMember(name);
    const disk = stored && "config" in stored ? diskOf(store, stored.config) : store.member(name).disk;
    const what = report?.running ? " (it runs: its power is cut)" : isSuspended ? " (it is suspended)" : "";
    say(`  ${name}${what}, disk ${bytesText(bytesUsed(disk))}`);
  }
  ask(`Delete ${names.length === 1 ? names[0] : `these ${names.length} members`}?`);
}
