/** Times and numbers as the page shows them. */

/** A time since the start: `1:02:03.456`, `2:03.456`. */
export function clockText(ms: number, digits = 3): string {
  const sign = ms < 0 ? "−" : "";
  const whole = Math.abs(ms), hours = Math.floor(whole / 3_600_000), minutes = Math.floor(whole / 60_000) % 60;
  const seconds = (whole / 1000 % 60).toFixed(digits).padStart(digits > 0 ? 3 + digits : 2, "0");
  return `${sign}${hours > 0 ? `${hours}:${String(minutes).padStart(2, "0")}` : minutes}:${seconds}`;
}

/** A time in UTC; empty where a damaged bundle has none that there is. */
export function timeText(ms: number): string {
  return Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : "";
}

/** How long something lasts: `3 ms`, `1.2 s`, `4 min 5 s`, `1 h 0 min`. */
export function spanText(ms: number): string {
  if (ms < 1) return `${Math.round(ms * 1000)} µs`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return `${minutes} min ${Math.round(ms / 1000) % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export const countText = (count: number): string => count.toLocaleString("en-US");

/** The steps of a ruler, so that about `most` fit. */
export function rulerStep(ms: number, most: number): number {
  const steps = [1, 2, 5, 10, 20, 50, 100, 200, 500];
  const seconds = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400];
  return [...steps, ...seconds.map((one) => one * 1000)].find((step) => ms / step <= most) ?? 86_400_000 * 7;
}
