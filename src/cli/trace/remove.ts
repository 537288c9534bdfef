/** `fleetbox trace rm`: removes traces that are not wanted, without packing them. */

import { findTrace } from "../../control/recording/traces.ts";
import { FleetboxError } from "../../core/errors.ts";
import { listed } from "../../core/names.ts";
import { withLock } from "../../system/locks.ts";
import { Command } from "../arguments/parser.ts";
import { bytesText } from "../arguments/sizes.ts";
import { openStore } from "../arguments/open_store.ts";
import { ask, canAsk } from "../terminal/consent.ts";
import { say } from "../terminal/output.ts";
import { lockOf } from "./recording.ts";

export function removeTracesCommand(): Command {
  return new Command("rm")
    .description("remove traces that have ended, without packing them")
    .argument("<traces...>", "their ids (trace ls), or a member of the group")
    .option("-f, --force", "do not ask")
    .addHelpText(
      "after",
      `
Asks first when both input and output are a terminal. One that is recorded at this moment is ended first: trace stop.

Examples:
  fleetbox trace rm a-20261128-225501-3f9c`,
    )
    .action(async (words: string[], flags: { force?: boolean }) => {
      const store = openStore();
      const chosen = [...new Map(words.map((word) => findTrace(store, word)).map((one) => [one.id, one])).values()];
      const live = chosen.find(({ recorder }) => recorder);
      if (live) {
        throw new FleetboxError("conflict", `Cannot remove ${live.id}: it is being recorded`, {
          hint: `End it first: fleetbox trace stop ${live.id}`,
        });
      }
      if (!flags.force && canAsk({})) {
        const bytes = chosen.reduce((sum, one) => sum + one.bytes, 0);
        ask(`Remove ${listed(chosen.map(({ id }) => id))}, ${bytesText(bytes)}?`);
      }
      await withLock(lockOf(store), async () => {
        for (const { id } of chosen) {
          await Deno.remove(findTrace(store, id).directory, { recursive: true }); // another command may have ended it
          say(`${id} removed`);
        }
      });
    });
}
