/**
 * The output of `fleetbox ls`. It does not use the argument parser, which takes longer to load than observing 50
 * members: `start.ts` calls it directly.
 */

import { type Colour, paintFor } from "./terminal/colour.ts";
import { ageText } from "./arguments/duration.ts";
import { type MemberView, stateWord, viewsOf, type ViewState } from "./member_view.ts";
import { lazyModule } from "../core/lazy_modules.ts";
import { hasLabels, parseLabelWish } from "../core/labels.ts";
import type { Store } from "../store.ts";
import { throwAll } from "./error_text.ts";
import { observeAll } from "../control/observe.ts";
import { say, sayJson, terminalWidth, warn } from "./terminal/output.ts";
import { sizeText } from "./arguments/sizes.ts";
import { atPlace, withPlace } from "./places/current.ts";
import { listingSource } from "./places/listing_source.ts";
import { openStore } from "./arguments/open_store.ts";
import { clip } from "../core/bytes.ts";
import { type Cell, tableLines } from "./terminal/table.ts";

/** How long one holder may keep the list waiting. */
const HOLDER_MS = 1_000;

interface ListFlags {
  repair?: boolean;
  json?: boolean;
  quiet?: boolean;
  label?: string[];
  allPlaces?: boolean;
}

/** Every member in any state, observed now. */
export async function list(flags: ListFlags): Promise<void> {
  const wishes = (flags.label ?? []).map((text) => parseLabelWish(text, "--label"));
  const source = listingSource();
  if (source) return show((await source()).filter(({ labels }) => hasLabels(labels, wishes)), flags);
  const store = openStore();
  const failures = flags.repair ? await repair(store) : [];
  const [here, elsewhere] = await Promise.all([observeAll(store, HOLDER_MS), flags.allPlaces ? atPlaces(store) : []]);
  const views = [...viewsOf(here), ...elsewhere];
  show(views.filter(({ labels }) => hasLabels(labels, wishes)), flags);
  throwAll(failures);
}

async function atPlaces(store: Store): Promise<MemberView[]> {
  const { viewsOfPlaces } = await lazyModule<typeof import("./places/all.ts")>("src/cli/places/all.ts");
  return await viewsOfPlaces(store);
}

async function repair(store: Store): Promise<unknown[]> {
  const module = await lazyModule<typeof import("./adopt_and_tell.ts")>("src/cli/adopt_and_tell.ts");
  return await module.repair(store);
}

function show(views: MemberView[], flags: ListFlags): void {
  if (flags.json) return sayJson(views);
  if (flags.quiet) return views.forEach((view) => say(view.place === undefined ? view.name : shownName(view)));
  if (views.length === 0) {
    return warn(flags.label ? "no member has these labels" : atPlace("no members yet: fleetbox up a"));
  }
  const { head, rows } = listTable(views, Date.now(), terminalWidth());
  tableLines(head, rows, paintFor()).forEach(say);
  reasons(views).map(atPlace).forEach(say);
}

const HEAD = ["NAME", "STATE", "ADDRESS", "CPUS", "MEMORY", "IMAGE", "UPTIME", "GROUP"];
const COLOURS: Partial<Record<ViewState, Colour>> = {
  queued: "yellow",
  downloading: "yellow",
  starting: "yellow",
  running: "green",
  stopped: "dim",
  error: "red",
  orphaned: "yellow",
  damaged: "red",
  unknown: "yellow",
};

/** The table. With a width, columns are shortened and left out until it fits, as far as that goes. */
export function listTable(
  views: readonly MemberView[],
  nowMs: number,
  width?: number,
): { head: string[]; rows: Cell[][] } {
  const rows = byGroup(views).map((view) => [
    { text: shownName(view) },
    { text: stateText(view), colour: COLOURS[view.state] },
    { text: view.ip || "-" },
    { text: String(view.cpus ?? "-") },
    { text: view.memory_mb === undefined ? "-" : sizeText(view.memory_mb) },
    { text: view.image?.replace(/^.*\//, "") ?? "-" },
    { text: view.state === "running" && view.since ? ageText(nowMs - Date.parse(view.since)) : "-" },
    groupCell(view, views),
  ]);
  return width === undefined ? { head: HEAD, rows } : narrowed(rows, width);
}

function shownName({ name, place }: MemberView): string {
  return withPlace(name, place);
}

/** Members of one group beside each other, at the place of its first one. */
function byGroup(views: readonly MemberView[]): MemberView[] {
  const keyOf = ({ name, group_id: id, last_group_id: last }: MemberView) => id ?? last ?? ` ${name}`;
  return [...Map.groupBy(views, keyOf).values()].flat();
}

function groupCell(view: MemberView, all: readonly MemberView[]): Cell {
  if (view.group !== undefined) return { text: view.bound ? `${view.group} (bound)` : view.group };
  if (view.last_group_id === undefined) return { text: "-" };
  // An earlier version did not note the name: the first of those that were in it together.
  const first = all.find((one) => one.last_group_id === view.last_group_id);
  return { text: view.last_group ?? first!.name, colour: "dim" };
}

/** What gives way on a narrow terminal, in this order: a column that is shortened to so many characters, or left out. */
const GIVING_WAY: [string, number][] = [
  ["IMAGE", 8],
  ["GROUP", 8],
  ["CPUS", 0],
  ["MEMORY", 0],
  ["IMAGE", 0],
  ["UPTIME", 0],
  ["NAME", 12],
  ["GROUP", 0],
  ["STATE", 12],
];

function narrowed(rows: Cell[][], width: number): { head: string[]; rows: Cell[][] } {
  const widths = HEAD.map((head, column) => Math.max(head.length, ...rows.map((row) => row[column].text.length)));
  const all = () => widths.reduce((sum, one) => one === 0 ? sum : sum + one + 2, -2);
  for (const [head, least] of GIVING_WAY) {
    const column = HEAD.indexOf(head);
    const over = all() - width;
    if (over <= 0) break;
    widths[column] = least === 0 ? 0 : Math.max(Math.min(least, widths[column]), widths[column] - over);
  }
  const isShown = (_: unknown, column: number) => widths[column] > 0;
  return {
    head: HEAD.filter(isShown),
    rows: rows.map((row) =>
      row.map((cell, column) => ({ ...cell, text: clip(cell.text, Math.max(1, widths[column])) })).filter(isShown)
    ),
  };
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
  for (const view of views) {
    const { state, group_id: groupId, reason, hint } = view;
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
    told.set(key, [...told.get(key) ?? [], shownName(view)]);
  }
  const lines = [...told].map(([text, names]) => `${names.join(", ")}: ${atPlace(text)}`);
  return lines.length > 0 ? ["", ...lines] : [];
}
