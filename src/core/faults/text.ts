/** A fault in words, in one line, for `fault ls`, events and logs. */

import type { FaultSpec, LinkShape } from "../faults.ts";
import { clockText } from "./clock.ts";
import { diskFaultText } from "./disk.ts";
import { DEFAULT_FILL_PATH } from "./fill.ts";

/** `cuts off a, b from c`, `a to b: delay 50 ms ± 10 ms, loss 1 %`, … */
export function faultText(spec: FaultSpec): string {
  switch (spec.kind) {
    case "partition": {
      const way = spec.oneWay ? ", one way" : "";
      if (spec.sets) return `cut: ${setsText(spec.sets, spec.oneWay)}${way}`;
      return `cut: ${spec.shape} of ${spec.of ? spec.of.join(", ") : "all"}${way}`;
    }
    case "drop":
      return `drop: ${wayText(spec)}`;
    case "hold":
      return `hold: ${setsText(spec.sets, spec.oneWay)}${spec.oneWay ? ", one way" : ""}`;
    case "flap":
      return `flap: ${setsText(spec.sets)}, down ${timeText(spec.downMs)}, up ${timeText(spec.upMs)}`;
    case "shape":
      return `${wayText(spec)}: ${shapeText(spec.shape)}`;
    case "pause":
      return `pause: ${spec.member}`;
    case "cpu":
      return `cpu: ${spec.member}, ${percent(spec.share)} of the time`;
    case "clock":
      return clockText(spec, timeText);
    case "disk":
      return `disk: ${diskFaultText(spec, timeText, percent)}`;
    case "memory":
      return `memory: ${spec.member}, ${spec.availableMiB}M left`;
    case "fill":
      return `fill: ${spec.member}, ${spec.path ?? DEFAULT_FILL_PATH} to ${percent(spec.share)}`;
  }
}

function wayText({ from, to }: { from?: string[]; to?: string[] }): string {
  return `${from?.join(",") ?? "all"} to ${to?.join(",") ?? "all"}`;
}

function setsText(sets: string[][], oneWay = false): string {
  return sets.map((set) => set.join(",")).join(oneWay ? " to " : " | ");
}

function shapeText(shape: LinkShape): string {
  const { delayMs, jitterMs, correlation, distribution, loss, lossGemodel, lossState, duplicate, reorder, gap } = shape;
  const { corrupt, rateBitsPerSecond, limit } = shape;
  const about = (value: number | undefined) => value ? ` (correlation ${percent(value)})` : "";
  const delay = [
    timeText(delayMs ?? 0),
    ...(jitterMs ? [`± ${timeText(jitterMs)}`] : []),
    ...(distribution ? [distribution] : []),
  ].join(" ");
  const bursts = (values: Record<string, number>) =>
    Object.entries(values).map(([key, value]) => `${key} ${percent(value)}`).join(" ");
  return [
    ...(delayMs || jitterMs ? [`delay ${delay}${about(correlation)}`] : []),
    ...(loss === undefined ? [] : [`loss ${percent(loss)}${about(shape.lossCorrelation)}`]),
    ...(lossGemodel ? [`loss gemodel ${bursts(lossGemodel)}`] : []),
    ...(lossState ? [`loss state ${bursts(lossState)}`] : []),
    ...(duplicate === undefined ? [] : [`duplicate ${percent(duplicate)}${about(shape.duplicateCorrelation)}`]),
    ...(reorder === undefined
      ? []
      : [`reorder ${percent(reorder)}${about(shape.reorderCorrelation)}${gap ? ` gap ${gap}` : ""}`]),
    ...(corrupt === undefined ? [] : [`corrupt ${percent(corrupt)}${about(shape.corruptCorrelation)}`]),
    ...(rateBitsPerSecond === undefined ? [] : [`rate ${rateText(rateBitsPerSecond)}`]),
    ...(limit === undefined ? [] : [`limit ${limit}`]),
  ].join(", ");
}

/** `250ms`, `2s`, `1.5m`: as it can be typed again. */
export function timeText(ms: number): string {
  if (ms < 1_000) return `${round(ms)}ms`;
  return ms < 60_000 ? `${round(ms / 1_000)}s` : `${round(ms / 60_000)}m`;
}

function rateText(bits: number): string {
  const [scale, unit] = bits >= 1e9
    ? [1e9, "gbit"]
    : bits >= 1e6
    ? [1e6, "mbit"]
    : bits >= 1e3
    ? [1e3, "kbit"]
    : [1, "bit"];
  return `${round(bits / scale)}${unit}`;
}

function percent(value: number): string {
  return `${round(value * 100)}%`;
}

function round(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}
