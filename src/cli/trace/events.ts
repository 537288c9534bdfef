/** `fleetbox trace events`: what a trace tells, for terminals and programs. */

import { FleetboxError } from "../../core/errors.ts";
import { GATEWAY } from "../../core/faults/gateway_name.ts";
import { listed } from "../../core/names.ts";
import { printable } from "../../core/printable.ts";
import { record, text, type TraceEvent } from "../../viewer/data/model.ts";
import { parseDurationMs } from "../arguments/duration.ts";
import { parseNames } from "../arguments/name_arguments.ts";
import { Command } from "../arguments/parser.ts";
import { type Paint, paintFor } from "../terminal/colour.ts";
import { outputClosed, warn, write } from "../terminal/output.ts";
import { type EventSource, openEvents } from "./event_source.ts";
import { foundTrace, TRACE_WORD } from "./found.ts";

interface Flags {
  between?: string;
  member?: string;
  json?: boolean;
}

/** When, in milliseconds: since 1970, or since the trace began. */
interface Bound {
  ms: number;
  isSinceBegin: boolean;
}

type Between = [from: Bound | undefined, to: Bound | undefined];

export function traceEventsCommand(): Command {
  return new Command("events")
    .description("print what a trace tells, in the order of the times")
    .argument("<trace>", TRACE_WORD)
    .option(
      "--between <from..to>",
      "only that time: 10s..20s since the trace began, or ISO 8601; either may be left out",
    )
    .option("--member <names>", "only what these members do, or is done to them")
    .option("--json", "one JSON object per event, as it was recorded")
    .addHelpText(
      "after",
      `
A line is the time in seconds since the trace began, the members, the kind of the event, and what happened. A trace that
is still recorded, or that was cut off, is printed as far as it goes; what is missing is told on standard error.
docs/trace.md has the events of --json.

Examples:
  fleetbox trace events trace.zip
  fleetbox trace events a --between 10s..
  fleetbox trace events trace.zip --between 10s..20s --member a,b
  fleetbox trace events trace.zip --json | jq 'select(.event == "fault-began")'`,
    )
    .action(async (path: string, flags: Flags) => {
      const between = parseBetween(flags.between);
      const names = flags.member === undefined ? undefined : parseNames([flags.member]);
      const source = await openEvents(foundTrace(path).path);
      checkMembers(names, source, path);
      await print(source, between, names, flags.json ? jsonLine : textLine(source, paintFor()));
      for (const notice of source.notices) warn(printable(notice));
    });
}

async function print(
  { batches, meta }: EventSource,
  between: Between,
  names: readonly string[] | undefined,
  lineOf: (event: TraceEvent, time: number, began: number) => string,
): Promise<void> {
  let began = Date.parse(text(meta.started)), from = -Infinity, to = Infinity;
  let isFirst = true;
  for await (const batch of batches) {
    if (isFirst) {
      isFirst = false;
      if (Number.isNaN(began)) began = batch[0].time;
      const [low, high] = between.map((bound) => bound && bound.ms + (bound.isSinceBegin ? began : 0));
      [from, to] = [low ?? -Infinity, high ?? Infinity];
    }
    let lines = "";
    for (const { event, time } of batch) {
      if (event.at > to || time < from) continue;
      if (names && !event.members.some((name) => names.includes(name))) continue;
      lines += lineOf(event, time, began) + "\n";
    }
    if (lines !== "") write(lines);
    if (outputClosed()) return;
  }
}

function jsonLine({ raw }: TraceEvent): string {
  return JSON.stringify(raw).replace(/[\x7f-\x9f]/g, (one) => `\\u00${one.charCodeAt(0).toString(16)}`);
}

/** `    12.345  a         state        running` */
function textLine({ meta }: EventSource, paint: Paint): (event: TraceEvent, time: number, began: number) => string {
  const members = Array.isArray(meta.members) ? meta.members : [];
  const width = Math.min(20, Math.max(6, ...members.map((one) => text(record(one).name).length)));
  return ({ kind, members: [first = "", ...others], text, isBad }, time, began) => {
    const who = kind === "link" || others.length === 0 ? first : [first, ...others].join(",");
    const words = [((time - began) / 1000).toFixed(3).padStart(9), onLine(who).padEnd(width), onLine(kind).padEnd(11)];
    return paint(isBad ? "red" : undefined, [...words, onLine(text)].join("  ").trimEnd());
  };
}

const onLine = (text: string) => printable(text).replaceAll(/[\n\t]/g, " ");

/** @throws {FleetboxError} `misuse` */
function parseBetween(text: string | undefined): Between {
  if (text === undefined) return [undefined, undefined];
  const [, from, to] = /^(.*?)\.\.(.*)$/.exec(text) ?? [];
  if (from === undefined || from + to === "") {
    throw new FleetboxError(
      "misuse",
      `Bad value for --between: found ${JSON.stringify(text)}, expected two times, such as 10s..20s`,
      { hint: "One may be left out: 10s.. is all from then on, ..20s all until then." },
    );
  }
  return [parseBound(from), parseBound(to)];
}

function parseBound(text: string): Bound | undefined {
  if (text === "") return undefined;
  if (!/^\d{4}-\d\d-\d\d/.test(text)) {
    return { ms: parseDurationMs(text, "--between", { allowZero: true }), isSinceBegin: true };
  }
  const ms = Date.parse(text);
  if (!Number.isNaN(ms)) return { ms, isSinceBegin: false };
  throw new FleetboxError(
    "misuse",
    `Bad value for --between: found ${JSON.stringify(text)}, expected a time such as 2026-11-28T22:55:01.250Z`,
  );
}

/** @throws {FleetboxError} `not-found` */
function checkMembers(names: readonly string[] | undefined, { meta }: EventSource, path: string): void {
  const members = Array.isArray(meta.members) ? meta.members.map((one) => text(record(one).name)) : [];
  const other = names?.find((name) => name !== GATEWAY && !members.includes(name));
  if (other === undefined || members.length === 0) return;
  throw new FleetboxError("not-found", `${path} has no member "${other}"`, {
    hint: `It has ${printable(listed(members))}.`,
  });
}
