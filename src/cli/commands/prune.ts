/** `fleetbox prune`: removes leftovers of a crash that no member needs, and templates. Never a disk. */

import { Command } from "../arguments/parser.ts";
import { FleetboxError } from "../../core/errors.ts";
import { throwAll } from "../error_text.ts";
import { findLeftovers, type Leftover } from "../leftovers.ts";
import { ask, canAsk, forceMissing } from "../terminal/consent.ts";
import { say, sayJson } from "../terminal/output.ts";
import { bytesText } from "../arguments/sizes.ts";
import { openStore } from "../arguments/open_store.ts";
import { tableLines } from "../terminal/table.ts";

interface Flags {
  force?: boolean;
  dryRun?: boolean;
  json?: boolean;
}

export function pruneCommand(): Command {
  return new Command("prune")
    .description("remove what a crash has left and no member needs, and templates; never a disk")
    .option("-f, --force", "do not ask")
    .option("--dry-run", "list what would be removed, and remove nothing")
    .option("--json", "one JSON object; does not ask, and needs --force or --dry-run")
    .addHelpText(
      "after",
      `
Looks for: sockets without a listener, pidfiles and records of groups that are gone, and their gateways;
directories of members that were never made; temporary files of processes that are gone; parts of downloads
without a writer; logs of holders whose members are gone; micro images of other versions that no
member is made on; templates, from which new members start warm; layers of snapshots on which no disk is
based; and checkpoints without a name of a program that was killed. Others stay. Nothing of a group that lives, or whose machines run, is touched.

Asks first when both input and output are a terminal; elsewhere it needs --force.

--json: {"found":[{"kind","path","bytes","pid"?}],"removed":[{…}],"bytes"}; paths are relative to the store.

Examples:
  fleetbox prune --dry-run
  fleetbox prune -f`,
    )
    .action(async (flags: Flags) => {
      const store = openStore();
      const all = await findLeftovers(store);
      const found = all.map(({ remove: _, ...leftover }) => leftover);
      if (!flags.json) {
        if (all.length === 0) return say("nothing is left over");
        lines(found).forEach(say);
      }
      if (flags.dryRun) return flags.json ? sayJson({ found, removed: [], bytes: 0 }) : undefined;
      if (all.length > 0 && !flags.force) {
        if (!canAsk(flags)) {
          const what = all.length === 1 ? all[0].path : `${all.length} things`;
          throw forceMissing(what, `prune${flags.json ? " --json" : ""}`);
        }
        ask(`Remove ${all.length === 1 ? "it" : `these ${all.length}`}?`);
      }

      const [removed, failures]: [Leftover[], unknown[]] = [[], []];
      for (const [index, { path, remove }] of all.entries()) {
        try {
          if (await remove()) removed.push(found[index]);
        } catch (cause) {
          failures.push(new FleetboxError("failed", `Cannot remove ${path}`, { cause }));
        }
      }
      const bytes = removed.reduce((sum, one) => sum + one.bytes, 0);
      const count = removed.length === all.length ? `${removed.length}` : `${removed.length} of ${all.length}`;
      if (flags.json) sayJson({ found, removed, bytes });
      else say(`${count} removed, ${bytesText(bytes)}`);
      throwAll(failures);
    });
}

/** A line for each leftover. */
function lines(found: readonly Leftover[]): string[] {
  return tableLines(
    ["KIND", "SIZE", "PATH"],
    found.map(({ kind, path, bytes, pid }) => [
      { text: kind },
      { text: bytesText(bytes) },
      { text: pid === undefined ? path : `${path} (process ${pid})` },
    ]),
  );
}
