/** `fleetbox stats`: what running members use of this host, live. */

import { type Look, lookAtMembers, statsOf } from "../../control/live/stats.ts";
import { ANSWER_MS, observeAll, orphansOf } from "../../control/observe.ts";
import { pause } from "../../core/deadline.ts";
import { FleetboxError } from "../../core/errors.ts";
import type { Store } from "../../store.ts";
import { requireAndAdopt } from "../adopt_and_tell.ts";
import { parseNames } from "../arguments/name_arguments.ts";
import { Command } from "../arguments/parser.ts";
import { openStore } from "../arguments/open_store.ts";
import { statsLines } from "../live/stats_table.ts";
import { paintFor } from "../terminal/colour.ts";
import { Interrupt } from "../terminal/interrupt.ts";
import { LiveLines } from "../terminal/live_lines.ts";
import { isLive, outputClosed, say, sayJson, terminalSize, write } from "../terminal/output.ts";

interface Flags {
  once?: boolean;
  json?: boolean;
}

const INTERVAL_MS = 1_000;

export function statsCommand(): Command {
  return new Command("stats")
    .description("show what running members use: CPU, memory, disk, network")
    .argument("[names...]", "members: a,b,c or a b c (default: all that run)")
    .option("--once", "once, after one second, and end")
    .option("--json", 'one JSON object a second: {"event":"stats","at","members":[…]}')
    .addHelpText(
      "after",
      `
A table that is drawn anew every second, until Ctrl-C; without a terminal it is printed every second. Members that
start and stop come and go. Figures are a second's: CPU of one core, so that a machine with two can have 200%; MEMORY
is the host's that it has, of its guest's size; READ and WRITTEN are the host's storage, without what the host's cache
answers; IN and OUT are the network, as the group's switch counts. "-": not known.

--json: members are {"name","group","group_id","hypervisor_pid","memory_mb","memory_bytes"?,"interval_ms"?,
"cpu_percent"?,"disk_read_bytes"?,"disk_written_bytes"?,"in_bytes"?,"in_frames"?,"out_bytes"?,"out_frames"?}, with the
amounts of that interval.

Examples:
  fleetbox stats
  fleetbox stats a b --once --json | jq '.members[].cpu_percent'`,
    )
    .action(async (words: string[], flags: Flags) => {
      const store = openStore();
      const names = words.length > 0 ? parseNames(words) : undefined;
      if (names) await requireAndAdopt(store, names);
      using interrupt = new Interrupt(() => undefined);
      const first = await lookAtMembers(store, names);
      if (first.length === 0) throw await nothingRuns(store, names);
      await show(store, names, first, flags, interrupt.signal);
      if (interrupt.happened) throw new FleetboxError("interrupted", "Interrupted");
    });
}

/** Looks and shows, until the signal fires or nobody reads. */
async function show(
  store: Store,
  names: readonly string[] | undefined,
  first: Look[],
  { once, json }: Flags,
  signal: AbortSignal,
): Promise<void> {
  const screen = isLive() && !json && !once ? new LiveLines(write, terminalSize) : undefined;
  const paint = paintFor();
  let before = first;
  let stats = statsOf([], first);
  let lookedMs = performance.now();
  try {
    for (let count = 0; !outputClosed(); count++) {
      screen?.draw(statsLines(stats, terminalSize(), paint));
      await pause(Math.max(INTERVAL_MS / 2, lookedMs + INTERVAL_MS - performance.now()), signal);
      if (signal.aborted) return;
      lookedMs = performance.now();
      const now = await lookAtMembers(store, names, before);
      stats = statsOf(before, now);
      before = now;
      if (json) sayJson({ event: "stats", at: new Date().toISOString(), members: stats });
      else if (!screen) {
        if (count > 0) say("");
        statsLines(stats, once && isLive() ? { ...terminalSize(), rows: Infinity } : undefined, paint).forEach(say);
      }
      if (once) return;
    }
  } finally {
    screen?.end();
    if (screen) statsLines(stats, { ...terminalSize(), rows: Infinity }, paint).forEach(say); // the last one stays
  }
}

async function nothingRuns(store: Store, names: readonly string[] | undefined): Promise<FleetboxError> {
  const { members, groups } = await observeAll(store, ANSWER_MS);
  const silent = members.find(({ name, silence }) => silence && (names?.includes(name) ?? true));
  if (silent) return silent.silence!;
  if (names) {
    return new FleetboxError("conflict", `No machine runs of ${names.join(", ")}`, {
      hint: `Start them: fleetbox up ${names.join(" ")}`,
    });
  }
  const orphans = orphansOf(groups);
  return orphans.length > 0
    ? new FleetboxError("conflict", `No member runs that a holder serves, but orphans do: ${orphans.join(", ")}`, {
      hint: "Adopt them: fleetbox ls --repair",
    })
    : new FleetboxError("conflict", "No member runs", { hint: "Start one: fleetbox up a" });
}
