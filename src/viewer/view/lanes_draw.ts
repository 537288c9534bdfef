/** Draws the lanes: a ruler, moments, faults, and for each member its states, commands and console. On a canvas, for speed. */

import { offsetText } from "../data/events.ts";
import { firstFrom, number, type Trace, type TraceEvent } from "../data/model.ts";
import type { Range } from "./filter.ts";
import { clockText, rulerStep } from "./words.ts";

export const LEFT = 132;
const RULER = 24, MOMENTS = 18, FAULT = 16, LANE = 48, MOST_FAULT_ROWS = 5;

/** Something that was drawn and can be selected. */
export interface Hit {
  x: number;
  y: number;
  width: number;
  height: number;
  event: TraceEvent;
}

export interface Rows {
  height: number;
  faultsAt: number;
  /** The row of each fault, by its place in the trace's faults. */
  faultRows: number[];
  memberAt: Map<string, number>;
}

export function rowsOf(trace: Trace, hidden: ReadonlySet<string>): Rows {
  const ends: number[] = [];
  const faultRows = trace.faults.map(({ at, until }) => {
    let row = ends.findIndex((end) => end <= at);
    if (row < 0) row = Math.min(ends.length, MOST_FAULT_ROWS - 1);
    ends[row] = Math.max(ends[row] ?? 0, until ?? trace.end);
    return row;
  });
  const faultsAt = RULER + MOMENTS;
  let at = faultsAt + (ends.length > 0 ? ends.length * FAULT + 4 : 0);
  const memberAt = new Map<string, number>();
  for (const { name } of trace.members) {
    if (hidden.has(name)) continue;
    memberAt.set(name, at);
    at += LANE;
  }
  return { height: at + 2, faultsAt, faultRows, memberAt };
}

export type Colours = Record<string, string>;
/** The colours of the page's theme that canvases use. */
export function coloursOf(element: Element): Colours {
  const style = getComputedStyle(element);
  const names = [
    "ink",
    "dim",
    "line",
    "panel",
    "lane",
    "accent",
    "range",
    "fault",
    "fault-ink",
    "bad",
    "command",
    "console",
    "mark",
  ];
  const states = ["downloading", "starting", "running", "stopped", "error", "gone", "paused"];
  const all = [...names, ...states.map((state) => `state-${state}`), ...states.map((state) => `state-${state}-ink`)];
  return Object.fromEntries(all.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

export interface Scene {
  trace: Trace;
  rows: Rows;
  width: number;
  view: Range;
  range: Range | undefined;
  selected: TraceEvent | undefined;
  colours: Colours;
}

const FONT = '11px ui-sans-serif, system-ui, "Segoe UI", "DejaVu Sans", sans-serif';

/** Draws, and tells what is where. */
export function draw(context: CanvasRenderingContext2D, scene: Scene): Hit[] {
  const { rows, width, view, colours: { panel, line } } = scene;
  const hits: Hit[] = [];
  const xOf = (time: number) => LEFT + (time - view[0]) / (view[1] - view[0]) * (width - LEFT);
  context.font = FONT;
  context.textBaseline = "middle";
  context.fillStyle = panel;
  context.fillRect(0, 0, width, rows.height);
  drawRuler(context, scene, xOf);
  for (const [name, at] of rows.memberAt) {
    context.fillStyle = line;
    context.fillRect(0, at - 1, width, 1);
    drawName(context, scene, name, at);
  }
  context.save();
  context.beginPath();
  context.rect(LEFT, 0, width - LEFT, rows.height);
  context.clip();
  drawFaults(context, scene, xOf, hits);
  for (const [name, at] of rows.memberAt) drawMember(context, scene, name, at, xOf, hits);
  drawMoments(context, scene, xOf, hits);
  drawRange(context, scene, xOf);
  context.restore();
  context.fillStyle = line;
  context.fillRect(LEFT - 1, 0, 1, rows.height);
  drawSelected(context, scene, hits);
  return hits;
}

function drawRuler(
  context: CanvasRenderingContext2D,
  { trace, width, rows, view, colours }: Scene,
  xOf: (time: number) => number,
) {
  const step = rulerStep(view[1] - view[0], (width - LEFT) / 90);
  const digits = step >= 1000 ? 0 : step >= 100 ? 1 : 3;
  for (let at = Math.ceil((view[0] - trace.start) / step) * step; at + trace.start <= view[1]; at += step) {
    const x = Math.round(xOf(at + trace.start));
    context.fillStyle = colours.line;
    context.fillRect(x, RULER - 6, 1, rows.height);
    context.fillStyle = colours.dim;
    context.fillText(clockText(at, digits), x + 4, RULER / 2);
  }
  context.fillStyle = colours.dim;
  context.fillText("since the start", 12, RULER / 2);
  if (trace.faults.length > 0) context.fillText("faults", 12, rows.faultsAt + FAULT / 2);
  context.fillText("moments", 12, RULER + MOMENTS / 2);
}

function drawName(context: CanvasRenderingContext2D, { trace, colours }: Scene, name: string, at: number) {
  const member = trace.members.find((one) => one.name === name);
  context.fillStyle = colours.ink;
  context.font = FONT.replace("11px", "600 13px");
  context.fillText(fit(context, name, LEFT - 24), 12, at + 14);
  context.font = FONT;
  context.fillStyle = colours.dim;
  context.fillText(fit(context, member?.ip || member?.image || "", LEFT - 24), 12, at + 31);
}

function drawFaults(context: CanvasRenderingContext2D, scene: Scene, xOf: (time: number) => number, hits: Hit[]) {
  const { trace, rows, width, view, colours } = scene;
  for (const [index, fault] of trace.faults.entries()) {
    const until = fault.until ?? trace.end;
    if (until < view[0] || fault.at > view[1]) continue;
    const x = Math.max(LEFT, xOf(fault.at)), end = Math.min(width, Math.max(xOf(until), x + 2));
    context.fillStyle = colours.fault;
    context.globalAlpha = 0.18;
    for (const name of fault.members) {
      const at = rows.memberAt.get(name);
      if (at !== undefined) context.fillRect(x, at, end - x, LANE - 1);
    }
    context.globalAlpha = 1;
    const y = rows.faultsAt + rows.faultRows[index] * FAULT;
    bar(context, x, y + 1, end - x, FAULT - 3, colours.fault);
    label(context, fault.text.replace(/ \[[^\]]*\]$/, ""), x, y + FAULT / 2, end - x, colours["fault-ink"]);
    hits.push({ x, y, width: end - x, height: FAULT, event: fault });
  }
}

function drawMember(
  context: CanvasRenderingContext2D,
  scene: Scene,
  name: string,
  at: number,
  xOf: (time: number) => number,
  hits: Hit[],
) {
  const { trace, width, view, colours } = scene;
  for (const span of trace.states.get(name) ?? []) {
    if (span.to < view[0] || span.from > view[1]) continue;
    const x = Math.max(LEFT, xOf(span.from)), end = Math.min(width, Math.max(xOf(span.to), x + 1));
    const isPaused = span.state === "running" && /pause/.test(span.stage);
    const state = isPaused ? "paused" : span.state;
    bar(context, x, at + 6, end - x - 0.5, 14, colours[`state-${state}`] || colours.dim);
    const words = span.stage ? `${span.state} · ${span.stage}` : span.state;
    label(context, words, x, at + 13.5, end - x, colours[`state-${state}-ink`] || colours.panel);
    hits.push({ x, y: at + 4, width: end - x, height: 18, event: span.event });
  }
  const clocks = trace.clocks.get(name) ?? [];
  for (const [index, clock] of clocks.entries()) {
    const offset = number(clock.raw.offset_ms) ?? 0, until = clocks[index + 1]?.at ?? trace.end;
    if (Math.abs(offset) < 100 || until < view[0] || clock.at > view[1]) continue;
    const x = Math.max(LEFT, xOf(clock.at)), end = Math.min(width, xOf(until));
    context.fillStyle = colours.mark;
    context.fillRect(x, at + 21, Math.max(2, end - x), 2);
    label(context, `clock ${offsetText(offset)}`, x, at + 13.5, end - x, colours["state-running-ink"]);
    hits.push({ x, y: at + 20, width: Math.max(4, end - x), height: 4, event: clock });
  }
  let last = -Infinity;
  for (const command of trace.commands.get(name) ?? []) {
    const until = command.until ?? (command.kind === "command-began" ? trace.end : command.at);
    if (until < view[0] || command.at > view[1]) continue;
    const x = Math.max(LEFT, xOf(command.at)), end = Math.max(xOf(until), x + 2);
    if (end <= last + 0.5 && !command.isBad) continue; // it would hide behind the one before
    last = end;
    bar(context, x, at + 25, end - x, 9, command.isBad ? colours.bad : colours.command);
    hits.push({ x: x - 1, y: at + 23, width: end - x + 2, height: 13, event: command });
  }
  const times = trace.casts.find(({ member }) => member === name)?.times;
  if (!times) return;
  context.fillStyle = colours.console;
  const per = (view[1] - view[0]) / (width - LEFT);
  let from = firstFrom(times.length, (index) => times[index], view[0]);
  for (let x = LEFT; x < width && from < times.length; x += 2) {
    const next = firstFrom(times.length, (index) => times[index], view[0] + (x + 2 - LEFT) * per);
    if (next > from) {
      const height = Math.min(10, 4 + Math.log2(next - from));
      context.fillRect(x, at + LANE - 3 - height, 2, height);
    }
    from = Math.max(from, next);
  }
}

function drawMoments(context: CanvasRenderingContext2D, scene: Scene, xOf: (time: number) => number, hits: Hit[]) {
  const { trace, rows, view, colours, width } = scene;
  const shown = trace.moments.filter(({ at }) => at >= view[0] && at <= view[1]);
  for (const [index, moment] of shown.entries()) {
    const x = Math.round(xOf(moment.at));
    const colour = moment.isBad ? colours.bad : colours.mark;
    context.fillStyle = colour;
    context.globalAlpha = 0.55;
    context.fillRect(x, RULER, 1, rows.height);
    context.globalAlpha = 1;
    context.fillRect(x, RULER + 3, 5, 10);
    const next = index + 1 < shown.length ? xOf(shown[index + 1].at) : width,
      before = index > 0 ? xOf(shown[index - 1].at) : LEFT;
    const room = next - x - 8;
    const words = moment.kind === "mark" ? moment.text : `${moment.kind.replace("-", " ")} ${moment.text}`;
    if (room > 40 || x - before < 260) label(context, words, x + 4, RULER + 9, room, colour);
    else { // at the right edge its words are before it
      context.textAlign = "right";
      context.fillText(fit(context, words, 130), x - 5, RULER + 9.5);
      context.textAlign = "left";
    }
    hits.push({ x: x - 3, y: RULER, width: Math.max(10, Math.min(room, 90)), height: MOMENTS, event: moment });
  }
}

function drawRange(
  context: CanvasRenderingContext2D,
  { range, rows, width, colours }: Scene,
  xOf: (time: number) => number,
) {
  if (!range) return;
  const from = xOf(range[0]), to = xOf(range[1]);
  context.fillStyle = colours.panel;
  context.globalAlpha = 0.55;
  context.fillRect(LEFT, RULER, Math.max(0, from - LEFT), rows.height);
  context.fillRect(to, RULER, Math.max(0, width - to), rows.height);
  context.globalAlpha = 1;
  context.fillStyle = colours.accent;
  context.fillRect(from - 1, 0, 1.5, rows.height);
  context.fillRect(to, 0, 1.5, rows.height);
  context.fillRect(from, RULER - 3, Math.max(1, to - from), 3);
}

function drawSelected(context: CanvasRenderingContext2D, { selected, colours, width }: Scene, hits: readonly Hit[]) {
  const hit = hits.findLast(({ event }) => event === selected);
  if (!hit) return;
  context.strokeStyle = colours.ink;
  context.lineWidth = 1.5;
  const x = Math.max(LEFT, hit.x);
  context.strokeRect(x - 0.5, hit.y + 0.5, Math.min(width - 1, hit.x + hit.width) - x + 1, hit.height - 1);
}

function bar(context: CanvasRenderingContext2D, x: number, y: number, width: number, height: number, colour: string) {
  context.fillStyle = colour;
  if (width < 5) return context.fillRect(x, y, Math.max(1, width), height);
  context.beginPath();
  context.roundRect(x, y, width, height, 2);
  context.fill();
}

/** Words on a bar, cut to fit; none where nothing would be readable. */
function label(context: CanvasRenderingContext2D, words: string, x: number, y: number, width: number, colour: string) {
  if (width < 26) return;
  context.fillStyle = colour;
  context.fillText(fit(context, words, width - 10), x + 5, y + 0.5);
}

function fit(context: CanvasRenderingContext2D, words: string, width: number): string {
  const whole = words.slice(0, 300);
  const measured = context.measureText(whole).width;
  if (measured <= width) return whole;
  const some = whole.slice(0, Math.max(0, Math.floor(whole.length * width / measured) - 1));
  return some.length < 2 ? "" : `${some}…`;
}
