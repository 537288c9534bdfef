/** `fleetbox heal`: ends faults. */

import { healFaults } from "../../control/faults.ts";
import { checkName } from "../../core/names.ts";
import { Command } from "../arguments/parser.ts";
import { openStore } from "../arguments/open_store.ts";
import { requireAndAdopt } from "../adopt_and_tell.ts";
import { countsText } from "../fault_view.ts";
import { say, sayJson, warn } from "../terminal/output.ts";

interface Flags {
  via?: string;
  json?: boolean;
}

export function healCommand(): Command {
  return new Command("heal")
    .description("end faults: these, or all; paused members go on")
    .argument("[ids...]", "the faults, as fault ls lists them (default: all)")
    .option("--via <name>", "only those of this member's group")
    .option("--json", 'one JSON object: {"event":"heal","healed":[…]}')
    .addHelpText(
      "after",
      `
What was held is delivered now; what is late comes at its time.

Examples:
  fleetbox heal
  fleetbox heal f3a9c`,
    )
    .action(async (ids: string[], flags: Flags) => {
      const via = flags.via === undefined ? undefined : checkName(flags.via);
      const store = openStore();
      if (via !== undefined) await requireAndAdopt(store, [via]);
      const healed = await healFaults(store, { ...(ids.length > 0 ? { ids } : {}), via });
      if (flags.json) return sayJson({ event: "heal", healed });
      if (healed.length === 0) warn("no faults to heal");
      for (const fault of healed) say(`${fault.id}: healed: ${fault.what} (${countsText(fault)})`);
    });
}
