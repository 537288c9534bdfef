/** `fleetbox restore`: takes members back to a checkpoint. */

import { Command } from "../arguments/parser.ts";
import { addWaitFlags, bringMembersUp, type UpFlags } from "../bring_members_up.ts";
import { FleetboxError } from "../../core/errors.ts";
import { checkName, listed } from "../../core/names.ts";
import type { Store } from "../../store.ts";
import { diskOf } from "../../store/disk.ts";
import { checkFits, type CheckpointManifest } from "../../store/snapshots.ts";
import { snapshotFactsHere } from "../../vmm/snapshot_facts.ts";
import { bytesUsed } from "../../system/files.ts";
import { resolveHelper } from "../../../helper/resolve.ts";
import type { MemberFacts } from "../../control/observe.ts";
import { CHECKPOINT_NAME, requireCheckpoint } from "../../control/snapshots/checkpoint.ts";
import { endForRestore, lookForRestore, planRestoreStart, restoreOptions } from "../../control/snapshots/restore.ts";
import { ageText } from "../arguments/duration.ts";
import { memberOptions } from "../arguments/member_options.ts";
import { addSavedFlags } from "../arguments/saved_options.ts";
import { bytesText } from "../arguments/sizes.ts";
import { openStore } from "../arguments/open_store.ts";
import { ask, canAsk } from "../terminal/consent.ts";
import { Interrupt } from "../terminal/interrupt.ts";
import { say } from "../terminal/output.ts";
import { progressFor } from "../terminal/progress.ts";

interface Flags extends UpFlags {
  yes?: boolean;
}

export function restoreCommand(): Command {
  const command = new Command("restore")
    .description("take members back to a checkpoint; what they have written since is lost")
    .argument("<checkpoint>", "the checkpoint")
    .option("-y, --yes", "do not ask");
  return addWaitFlags(addSavedFlags(command))
    .addHelpText(
      "after",
      `
The members are those that were saved, with their names. The power of those that run is cut;
those that were removed since are made again. Their port forwards are as they are now. If their
group has other members that run, these must stop first. When one of them cannot go on from the
checkpoint, each is stopped, with the disk that it had.
Asks first when both input and output are a terminal. Elsewhere it does not ask.

Events of --json: as of up, and at the end {"event":"restore","checkpoint","members":[…]}.

Examples:
  fleetbox restore seeded
  fleetbox restore seeded --yes`,
    )
    .action(async (word: string, flags: Flags) => {
      const store = openStore();
      const manifest = requireCheckpoint(store, checkName(word, CHECKPOINT_NAME));
      const options = restoreOptions(manifest, memberOptions(flags, Deno.cwd, "")); // the image is the checkpoint's
      const { facts, plan } = await lookForRestore(store, manifest);
      if (plan.step === "refuse") throw plan.error;
      // Before anything is ended: the holder finds the same, and later.
      checkFits(manifest, await snapshotFactsHere(store.acceleratorCache));
      if (!flags.yes && canAsk(flags)) askFor(store, manifest, facts);
      await end(store, manifest, flags);
      const names = Object.keys(manifest.members);
      await bringMembersUp({
        names,
        flags,
        options,
        event: { event: "restore", checkpoint: manifest.name },
        plan: (found, groups) => planRestoreStart(names.map((name) => found.get(name)!), groups),
      });
    });
}

/** Ends what runs of them. */
async function end(store: Store, manifest: CheckpointManifest, flags: Flags): Promise<void> {
  const ended: string[] = [];
  const progress = progressFor([], flags);
  using interrupt = new Interrupt(() => void progress.end());
  try {
    await endForRestore(store, manifest, {
      findExecutable: resolveHelper,
      signal: interrupt.signal,
      onDetail: flags.verbose ? (detail) => progress.detail(detail) : undefined,
      onEnd: ({ name }) => ended.push(name),
    });
  } catch (thrown) {
    if (!interrupt.happened) throw thrown;
    const what = ended.length > 0 ? `; their power was cut: ${listed(ended)}` : "";
    throw new FleetboxError("interrupted", `Interrupted; nothing was restored${what}`, {
      hint: ended.length > 0 ? `Boot them as they are: fleetbox up ${ended.join(" ")}` : undefined,
    });
  } finally {
    progress.end();
  }
}

/** @throws {FleetboxError} the user did not agree. */
function askFor(store: Store, { name, made_at, members }: CheckpointManifest, facts: readonly MemberFacts[]): void {
  say(`This takes members back to the checkpoint "${name}", made ${ageText(Date.now() - Date.parse(made_at))} ago.`);
  say("What they have written and done since is lost:");
  for (const fact of facts) say(`  ${fact.name}${lossText(store, fact)}`);
  const count = Object.keys(members).length;
  ask(`Restore ${count === 1 ? facts[0].name : `these ${count} members`}?`, "Nothing was restored");
}

function lossText(store: Store, { name, report, stored, isSuspended }: MemberFacts): string {
  if (!stored) return report ? " (it runs: its power is cut)" : " is made again";
  const disk = "config" in stored ? diskOf(store, stored.config) : store.member(name).disk;
  const what = report?.running ? " (it runs: its power is cut)" : isSuspended ? " (it is suspended)" : "";
  return `${what}, disk ${bytesText(bytesUsed(disk))}`;
}
