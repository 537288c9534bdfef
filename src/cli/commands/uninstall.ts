/** `fleetbox uninstall`: lists all that fleetbox has made on this host, and removes it. */

import { Command } from "../arguments/parser.ts";
import { bytesText } from "../arguments/sizes.ts";
import { openStore } from "../arguments/open_store.ts";
import { throwAll } from "../error_text.ts";
import { ask, canAsk, forceMissing } from "../terminal/consent.ts";
import { say, sayJson } from "../terminal/output.ts";
import { partsElsewhere } from "../uninstall/elsewhere.ts";
import { homePath, leftLines, partLines } from "../uninstall/lines.ts";
import { inOrder, type OwnPart, type Part } from "../uninstall/part.ts";
import { endAll, inUse, removeParts, whatRuns } from "../uninstall/remove.ts";
import { storeParts } from "../uninstall/store_parts.ts";

interface Flags {
  force?: boolean;
  dryRun?: boolean;
  json?: boolean;
}

export function uninstallCommand(): Command {
  return new Command("uninstall")
    .description("list all that fleetbox has made on this host, and remove it: members with their disks, too")
    .option("-f, --force", "do not ask, and cut the power of running members")
    .option("--dry-run", "list what would be removed, and remove nothing")
    .option("--json", "one JSON object; does not ask, and needs --force or --dry-run")
    .addHelpText(
      "after",
      `
Removes the store: members, checkpoints, templates, images, traces, logs, the SSH key; and caches of builds
outside it. What it has not made stays, and is listed as left: files of your own in the store, the program
itself, lines in your shell's files. What an interrupted uninstall has left, the next one removes.

Asks first when both input and output are a terminal; elsewhere it needs --force. Running members keep it
from beginning, unless --force is given; those of a running program always do.

--json: {"store","found":[{"kind","name"?,"path","bytes"}],"left":[{"path","why"}],"removed":[{…}],"bytes"}.

Examples:
  fleetbox uninstall --dry-run
  fleetbox uninstall --force`,
    )
    .action(async (flags: Flags) => {
      const store = openStore();
      const elsewhere = partsElsewhere(store);
      const own = storeParts(store);
      const found = inOrder([...own.parts, ...elsewhere.parts]);
      const left = [...own.left, ...elsewhere.left];
      const bytes = found.reduce((sum, part) => sum + part.bytes, 0);
      if (!flags.json) {
        if (found.length === 0) say(`nothing of fleetbox is in ${homePath(store.root)}`);
        else partLines(found, store.root).forEach(say);
        leftLines(left).forEach(say);
      }
      const running = await whatRuns(store);
      const refusal = inUse(running, flags) ?? found.find(({ problem }) => problem)?.problem;
      if (flags.dryRun) {
        if (flags.json) sayJson({ store: store.root, found: found.map(plain), left, removed: [], bytes: 0 });
        else if (refusal) say(`first: ${refusal.hint}`);
        return;
      }
      if (refusal) throw refusal;
      if (found.length > 0 && !flags.force) {
        if (!canAsk(flags)) {
          throw forceMissing(`all of it, ${bytesText(bytes)}`, `uninstall${flags.json ? " --json" : ""}`);
        }
        ask(`Remove all of it, ${bytesText(bytes)}?`);
      }
      await endAll(store, running, flags);
      const { removed, failures } = await removeParts(store, () => [...storeParts(store).parts, ...elsewhere.parts]);
      const freed = removed.reduce((sum, part) => sum + part.bytes, 0);
      if (flags.json) {
        sayJson({ store: store.root, found: found.map(plain), left, removed: removed.map(plain), bytes: freed });
      } else if (found.length > 0) say(`${removed.length} removed, ${bytesText(freed)}`);
      throwAll(failures);
    });
}

function plain({ remove: _, problem: _why, ...part }: OwnPart): Part {
  return part;
}
