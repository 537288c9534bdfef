/** `fleetbox trace replay`: makes the group of a trace again, and plays its faults. */

import { codeOf, FleetboxError } from "../../core/errors.ts";
import { PLAN_VERSION } from "../../core/faults/plan.ts";
import { isName, listed } from "../../core/names.ts";
import { printable } from "../../core/printable.ts";
import { shellQuote } from "../../core/quoting.ts";
import { observeGroups, observeMembers } from "../../control/observe.ts";
import { isInStore } from "../../control/remove.ts";
import { presentMembers } from "../../control/snapshots/fork.ts";
import { exists } from "../../system/files.ts";
import type { Store } from "../../store.ts";
import { checkFits, type CheckpointManifest, readCheckpoint } from "../../store/snapshots.ts";
import { snapshotFactsHere } from "../../vmm/snapshot_facts.ts";
import { Command } from "../arguments/parser.ts";
import { openStore } from "../arguments/open_store.ts";
import { play } from "../commands/fault_plans.ts";
import { say, warn } from "../terminal/output.ts";
import { VERBOSE } from "../terminal/progress.ts";
import { foundTrace, TRACE_WORD } from "../trace/found.ts";
import { bootGroup, forkGroup } from "./make.ts";
import { areThere, type Batch, batchesOf, type NewMember, newMembers } from "./members.ts";
import { readRecorded, type RecordedCommand } from "./recorded.ts";
import { chooseStart, type Played, playedSteps } from "./start.ts";

interface Flags {
  as?: string;
  faults: boolean;
  verbose?: boolean;
}

export function traceReplayCommand(): Command {
  return new Command("replay")
    .description("make the group of a trace again, and play its faults")
    .argument("<trace>", TRACE_WORD)
    .option("--as <name>", "what the new names begin with: again-a is a (default: those of the trace)")
    .option("--no-faults", "make the group, and play no faults")
    .option("--verbose", VERBOSE)
    .addHelpText(
      "after",
      `
The group is forked from the newest checkpoint that the trace has before its first fault, when the store still has it
and it can go on here; else it boots with the images, CPUs and memory of the trace. Host names and addresses are those
of the trace. Then its faults begin at their times, with their seeds. The group stays; the commands of a test are not
run: --verbose lists them.
Ctrl-C heals the faults, and the group stays; while the group boots it takes it down again.

Examples:
  fleetbox trace replay trace.zip
  fleetbox trace replay trace.zip --as again --verbose`,
    )
    .action(async (word: string, flags: Flags) => await replay(word, flags));
}

async function replay(word: string, flags: Flags): Promise<void> {
  const { path } = foundTrace(word);
  const recorded = await readRecorded(path);
  const members = newMembers(path, recorded.members, flags.as);
  const names = members.map(({ name }) => name);
  const store = openStore();
  // Where no machine can be saved, none can go on.
  const facts = recorded.saved.length === 0 ? "" : await snapshotFactsHere(store.acceleratorCache).catch(() => "");
  const { checkpoint, why, baseMs } = chooseStart(recorded, members, (name) => checkpointOf(store, name, facts));
  const refuse = (taken: readonly string[]) => areThere(taken, `fleetbox trace replay ${shellQuote(word)}`);
  const there = presentMembers(await observeMembers(store, names), observeGroups(store));
  if (there.length > 0) throw refuse(there.map(({ name }) => name));
  const batches = checkpoint ? [] : batchesOf(path, members);
  for (const batch of batches) checkImage(path, batch);
  const played = playedSteps(recorded, baseMs, members);
  for (const notice of recorded.notices) warn(printable(notice));
  try {
    if (checkpoint) {
      warn(`forking the checkpoint ${checkpoint.name}, ${why}; port forwards are not made again`);
      await forkGroup(checkpoint, members, refuse, flags);
    } else {
      const images = new Set(batches.map(({ options: { image } }) => printable(`${image}`)));
      warn(`booting new members of ${listed([...images])}: ${why}`);
      warn(
        "A trace does not have user-data, shared directories, port forwards, and what was on the disks: they are not as they were.",
      );
      await bootGroup(batches, refuse, flags);
    }
    if (flags.faults) await playFaults(store, names[0], played);
    else say(`no faults are played; the trace has ${played.steps.length}`);
  } catch (thrown) {
    const left = names.filter((name) => isInStore(store, name));
    if (left.length > 0 && codeOf(thrown) !== "conflict") warn(stayText(left)); // else they are another command's
    throw thrown;
  }
  say(stayText(names));
  tellCommands(recorded.commands, members, flags);
}

async function playFaults(store: Store, via: string, { steps, unhealed }: Played): Promise<void> {
  if (steps.length === 0) return say("the trace has no faults to be played");
  if (unhealed > 0) {
    const what = unhealed === 1 ? "1 fault was" : `${unhealed} faults were`;
    warn(`${what} not healed in the trace: played until its end`);
  }
  await play(store, { version: PLAN_VERSION, seed: 0, steps }, via, {});
}

/** The commands that a test ran: it runs them itself. */
function tellCommands(commands: readonly RecordedCommand[], members: readonly NewMember[], { verbose }: Flags): void {
  if (commands.length === 0) return;
  const what = commands.length === 1 ? "1 command of its test is" : `${commands.length} commands of its test are`;
  if (!verbose) return say(`${what} not run again; --verbose lists them`);
  say(`${what} not run again:`);
  for (const { member, argv } of commands) {
    const name = members.find(({ was }) => was === member)?.name ?? member;
    say(printable(["fleetbox", "exec", name, "--", ...argv].map(shellQuote).join(" ")));
  }
}

const stayText = (names: readonly string[]) =>
  `the group stays: ${names.join(", ")}; remove it: fleetbox rm ${names.join(" ")}`;

/** A checkpoint that can go on here. */
function checkpointOf(store: Store, name: string, facts: string): CheckpointManifest | undefined {
  try {
    const checkpoint = isName(name) ? readCheckpoint(store, name) : undefined;
    if (checkpoint) checkFits(checkpoint, facts);
    return checkpoint;
  } catch (thrown) {
    if (thrown instanceof FleetboxError) return undefined; // it is damaged, or of another hypervisor
    throw thrown;
  }
}

/** @throws {FleetboxError} `not-found`: an image of this host is gone */
function checkImage(path: string, { options: { image }, names }: Batch): void {
  if (image === undefined || !image.startsWith("/") || exists(image)) return;
  throw new FleetboxError("not-found", `Cannot make "${names[0]}" again: there is no image ${printable(image)}`, {
    hint: "Put it there; or make the members of another image, and play the plan.json of " +
      `${path}: fleetbox up NAMES --image IMAGE && fleetbox fault run plan.json`,
  });
}
