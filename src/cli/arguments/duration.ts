/** Durations as people type and read them. */

import { FleetboxError } from "../../core/errors.ts";

const SCALES: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** A day: longer limits are typing mistakes. */
const MAX_MS = 24 * 3_600_000;

/**
 * `90`, `90s`, `1.5m`, `500ms`, `1h`, in milliseconds. A bare number is seconds.
 * @throws {FleetboxError} `misuse`
 */
export function parseDurationMs(text: string, what: string, options: { allowZero?: boolean } = {}): number {
  const match = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h)?$/i.exec(text.trim());
  const duration = match ? Number(match[1]) * SCALES[(match[2] ?? "s").toLowerCase()] : NaN;
  if (duration <= MAX_MS && (duration >= 1 || (duration === 0 && options.allowZero))) return duration;
  const bad = (why: string, meant?: string) =>
    new FleetboxError("misuse", `Bad value for ${what}: ${why}`, {
      hint: meant === undefined ? undefined : `Did you mean ${meant}?`,
    });
  const shown = JSON.stringify(text);
  if (duration > MAX_MS) {
    // Such a large bare number means milliseconds.
    const isMs = match?.[2] === undefined && duration / 1000 <= MAX_MS;
    throw bad(`${shown} is ${ageText(duration)}; the most is 24h`, isMs ? `${Number(match![1])}ms` : "24h");
  }
  if (duration < 1) throw bad(`${shown} is too short; the least is ${options.allowZero ? "0" : "1ms"}`);
  const [, number, unit] = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h)[a-z]*$/i.exec(text.trim().replace(/mill?i\w*$/i, "ms")) ?? [];
  const expected = `found ${shown}, expected a duration such as 90, 90s or 2m, at most 24h`;
  throw bad(expected, number && `${number}${unit.toLowerCase()}`);
}

/** `0.4 s`, `12.3 s`, `2 min 05 s`: the duration of a wait. */
export function elapsedText(ms: number): string {
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.floor(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, "0")} s`;
}

/** `45s`, `12m`, `3h 20m`, `5d 2h`: the age of a state. */
export function ageText(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  if (minutes === 0) return `${seconds}s`;
  if (hours === 0) return `${minutes}m`;
  if (hours < 24) return `${hours}h ${minutes % 60}m`;
  return `${Math.floor(hours / 24)}d ${hours % 24}h`;
}
