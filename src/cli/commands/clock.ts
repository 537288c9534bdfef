/** `fleetbox clock`: what the clocks of members show, beside the host's. */

import { readClock } from "../../control/faults.ts";
import { ANSWER_MS, observeAll } from "../../control/observe.ts";
import { naturalOrder, type Store } from "../../store.ts";
import type { ClockReport } from "../../wire.ts";
import { requireAndAdopt } from "../adopt_and_tell.ts";
import { parseNames } from "../arguments/name_arguments.ts";
import { Command } from "../arguments/parser.ts";
import { openStore } from "../arguments/open_store.ts";
import { throwAll } from "../error_text.ts";
import { paintFor } from "../terminal/colour.ts";
import { say, sayJson, warn } from "../terminal/output.ts";
import { tableLines } from "../terminal/table.ts";
import { atPlace } from "../places/current.ts";

export function clockCommand(): Command {
  return new Command("clock")
    .description("tell how far the clocks of members are ahead of this host's")
    .argument("[names...]", "running members: a,b,c or a b c (default: all that run)")
    .option("--json", "one JSON array")
    .addHelpText(
      "after",
      `
In milliseconds; less than 0: behind. The guest's kernel is asked, over SSH where its image is none of fleetbox's own. A
reading is as exact as the answer is quick, and the table tells how exact. fleetbox fault clock makes a clock wrong.

--json: [{"name","offset_ms","error_ms"}]

Example:
  fleetbox clock a,b`,
    )
    .action(async (words: string[], flags: { json?: boolean }) => {
      const store = openStore();
      const names = words.length > 0 ? parseNames(words) : await runningMembers(store);
      if (words.length > 0) await requireAndAdopt(store, names);
      const results = await Promise.allSettled(names.map((name) => readClock(store, name)));
      const clocks = results.flatMap((result) => result.status === "fulfilled" ? [result.value] : []);
      if (flags.json) sayJson(clocks);
      else if (names.length === 0) warn(atPlace("no member runs: fleetbox up a"));
      else if (clocks.length > 0) tableLines(["NAME", "AHEAD", ""], clocks.map(row), paintFor()).forEach(say);
      throwAll(results.flatMap((result) => result.status === "rejected" ? [result.reason] : []));
    });
}

async function runningMembers(store: Store): Promise<string[]> {
  const { members } = await observeAll(store, ANSWER_MS);
  const running = members.filter(({ report }) => report?.state === "running" && report.stage === undefined);
  return running.map(({ name }) => name).sort(naturalOrder);
}

/** `a  30000.2 ms  ± 0.8 ms` */
function row({ name, offset_ms, error_ms }: ClockReport): { text: string }[] {
  return [name, `${offset_ms} ms`, `± ${error_ms} ms`].map((text) => ({ text }));
}
