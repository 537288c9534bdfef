/** A fault for people: the line when it begins, and what it has done. */

import { bytesText, sizeText } from "./arguments/sizes.ts";
import { timeText } from "../core/faults/text.ts";
import type { FaultReport } from "../wire.ts";

/** What a fault does by chance, for which its seed is worth telling. */
function isRandom({ spec }: FaultReport): boolean {
  if (spec.kind === "disk") return spec.rate !== undefined;
  return spec.kind === "shape" || (spec.kind === "partition" && spec.shape !== undefined);
}

/** To a tenth of a second. */
function aboutText(ms: number): string {
  return timeText(Math.round(ms / 100) * 100);
}

/** `f3a9: cut: a | b, for 30s` */
export function begunText(fault: FaultReport): string {
  const { id, what, left_ms, seed, members, spec } = fault;
  const who = spec.kind === "partition" && spec.shape ? ` (${members.join(", ")})` : "";
  const end = left_ms === undefined ? `; end it: ${endCommand(fault)}` : `, for ${aboutText(left_ms)}`;
  return `${id}: ${what}${who}${isRandom(fault) ? `, seed ${seed}` : ""}${end}`;
}

export function endCommand({ id, spec }: FaultReport): string {
  return spec.kind === "pause" ? `fleetbox resume ${spec.member}` : `fleetbox heal ${id}`;
}

const DONE: Record<string, string> = {
  cut: "cut",
  held: "held",
  lost: "lost",
  delayed: "delayed",
  duplicated: "doubled",
  reordered: "reordered",
  corrupted: "corrupted",
  overLimit: "over the limit",
  failed: "failed",
  slowed: "slowed",
};

/** Of a machine that got a part of the time only. */
function stoodText({ stopped_ms = 0, squeezed_ms = 0 }: Record<string, number>): string {
  return `stood still for ${aboutText(stopped_ms)} of ${aboutText(squeezed_ms)}`;
}

/** `12 cut of 40`: frames, or requests to a disk; `nothing yet`: a fault that hit nothing proves nothing. */
export function countsText({ counts, spec }: FaultReport): string {
  if (spec.kind === "pause") return `paused for ${aboutText(counts.paused_ms ?? 0)}`;
  if (spec.kind === "cpu") return stoodText(counts);
  if (spec.kind === "memory") {
    return counts.taken_mib === undefined ? "nothing yet" : `${sizeText(counts.taken_mib)} taken`;
  }
  if (spec.kind === "fill") {
    return counts.filled_bytes === undefined ? "nothing yet" : `${bytesText(counts.filled_bytes)} used`;
  }
  if (spec.kind === "clock") return clockCountsText(counts);
  const { requests = 0, frames = requests, ...rest } = counts;
  const done = Object.entries(DONE).filter(([key]) => rest[key] > 0).map(([key, word]) => `${rest[key]} ${word}`);
  if (done.length === 0) return frames > 0 ? `nothing of ${frames}` : "nothing yet";
  return `${done.join(", ")} of ${frames}`;
}

/** `moved by 30s`, `moved 12 times`, `for 5s` */
function clockCountsText({ moved_ms, steps, rated_ms }: Record<string, number>): string {
  if (moved_ms !== undefined) return `moved by ${moved_ms < 0 ? "-" : ""}${timeText(Math.abs(moved_ms))}`;
  if (steps !== undefined) return `moved ${steps === 1 ? "once" : `${steps} times`}`;
  return rated_ms === undefined ? "nothing yet" : `for ${aboutText(rated_ms)}`;
}
