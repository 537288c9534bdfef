/**
 * The output of `fleetbox ls`. It does not use the argument parser, which takes longer to load than observing 50
 * members: `start.ts` calls it directly.
 */

import { type Colour, paintFor } from "./terminal/colour.ts";
import { ageText } from "./arguments/duration.ts";
import { type MemberView, stateWord, viewsOf, type ViewState } from "./member_view.ts";
import { lazyModule } from "../core/lazy_modules.ts";
import type { Store } from "../store.ts";
import { throwAll } from "./error_text.ts";
import { observeAll } from "../control/observe.ts";
import { say, sayJson, terminalWidth, warn } from "./terminal/output.ts";
import { sizeText } from "./arguments/sizes.ts";
import { openStore } from "./arguments/store_access.ts";
import { clip } from "../core/bytes.ts";
import { type Cell, tableLines } from "./terminal/table.ts";

/** How long one holder may keep the list waiting. */
const HOLDER_MS = 1_000;

interface ListFlags {
  repair?: boolean;
  json?: boolean;
  quiet?: boolean;
}

/** Every member in any state, observed now. */
export async function list(flags: ListFlags): Promise<void> {
  const store = openStore();
  const failures = flags.repair ? await repair(store) : [];
  show(viewsOf(await observeAll(store, HOLDER_MS)), flags);
  throwAll(failures);
}

async function repair(store: Store): Promise<unknown[]> {
  const module = await lazyModule<typeof import("./adopt_and_tell.ts")>("src/cli/adopt_and_tell.ts");
  return await module.repair(store);
}

function show(views: MemberView[], flags: ListFlags): void {
  if (flags.json) return sayJson(views);
  if (flags.quiet) return views.forEach(({ name }) => say(name));
  if (views.length === 0) return warn("no members yet: fleetbox up a");
  tableLines(HEAD, listRows(views, Date.now(), terminalWidth()), paintFor()).forEach(say);
  reasons(views).forEach(say);
}

const HEAD = ["NAME", "STATE", "ADDRESS", "CPUS", "MEMORY", "IMAGE", "UPTIME", "GROUP"];
const COLOURS: Partial<Record<ViewState, Colour>> = {
  downloading: "yellow",
  starting: "yellow",
  running: "green",
  stopped: "dim",
  error: "red",
  orphaned: "yellow",
  damaged: "red",
  unknown: "yellow",
};

/** The table's rows. With a width, long names are shortened until the table fits, as far as that goes. */
export function listRows(views: readonly MemberView[], nowMs: number, width?: number): Cell[][] {
  const rows = views.map((view) => [
    { text: view.name },
    { text: stateText(view), colour: COLOURS[view.state] },
    { text: view.ip || "-" },
    { text: String(view.cpus ?? "-") },
    { text: view.memory_mb === undefined ? "-" : sizeText(view.memory_mb) },
    { text: view.image?.replace(/^.*\//, "") ?? "-" },
    { text: view.state === "running" && view.since ? ageText(nowMs - Date.parse(view.since)) : "-" },
    { text: view.group === undefined ? "-" : view.bound ? `${view.group} (bound)` : view.group },
  ]);
  return width === undefined ? rows : narrowed(rows, width);
}

/** The columns that may be shortened, in this order, and to how many characters. */
const SHORTENED: [string, number][] = [["IMAGE", 8], ["GROUP", 8], ["NAME", 12]];

function narrowed(rows: Cell[][], width: number): Cell[][] {
  const widths = HEAD.map((head, column) => Math.max(head.length, ...rows.map((row) => row[column].text.length)));
  let over = widths.reduce((sum, one) => sum + one + 2, -2) - width;
  for (const [head, least] of SHORTENED) {
    const column = HEAD.indexOf(head);
    const room = Math.max(Math.min(least, widths[column]), widths[column] - Math.max(0, over));
    over -= widths[column] - room;
    for (const row of rows) row[column] = { ...row[column], text: clip(row[column].text, room) };
  }
  return rows;
}

function stateText(view: MemberView): string {
  const { state, stage, not_answering: isSilent } = view;
  if (isSilent) return `${state} (not answering)`;
  if (stage === "stopping") return "stopping";
  if (state === "starting" && stage) return `starting (${stage})`;
  if (state === "running" && stage === "paused") return "running (paused)";
  const { fault_count: faults = 0 } = view;
  if (state === "running" && faults > 0) return faults > 1 ? `running (${faults} faults)` : "running (fault)";
  return stateWord(view);
}

/** The problems of members, below the table; members with the same problem share a line. */
export function reasons(views: readonly MemberView[]): string[] {
  const told = new Map<string, string[]>();
  for (const { name, state, group_id: groupId, reason, hint } of views) {
    if (!reason) continue;
    const text = reason.trim().replace(/\s*\n\s*/g, "; ");
    // Adopting one member adopts its whole group: one hint is enough.
    const key = state === "orphaned" && !hint
      ? `orphaned: ${text}`
      : state === "orphaned"
      ? `orphaned: run fleetbox up ${
        views.find((view) => view.state === state && view.group_id === groupId)!.name
      } (${text})`
      : hint
      ? `${text}\n  try: ${hint}`
      : text;
    told.set(key, [...told.get(key) ?? [], name]);
  }
  const lines = [...told].map(([text, names]) => `${names.join(", ")}: ${text}`);
  return lines.length > 0 ? ["", ...lines] : [];
}
