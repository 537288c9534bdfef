/** Rows as a table, and whether a row is within its limit. Pure. */

import type { Row } from "./bench.ts";

/** Whether the figure is within its limit; undefined when it has none. */
export function isMet({ measured, against, limit }: Row): boolean | undefined {
  switch (limit?.kind) {
    case undefined:
      return undefined;
    case "ratio":
      return measured <= limit.value * against!.value;
    case "ratio at least":
      return measured >= limit.value * against!.value;
    case "above":
      return measured - against!.value <= limit.value;
    case "at most":
      return measured <= limit.value;
    case "at least":
      return measured >= limit.value;
  }
}

/** The rows under each other, notes below their row. */
export function table(rows: readonly Row[]): string {
  const cells = [
    ["what", "measured", "counterpart", "compared", "limit", ""],
    ...rows.map((row) => [
      row.what,
      figure(row.measured, row),
      row.against ? figure(row.against.value, row) : "",
      compared(row),
      limitText(row),
      isMet(row) === undefined ? "" : isMet(row) ? "pass" : "MISS",
    ]),
  ];
  const widths = cells[0].map((_, column) => Math.max(...cells.map((row) => row[column].length)));
  const lines = cells.map((row) =>
    row.map((cell, column) => column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column])).join("  ")
  );
  return [lines[0], ...rows.flatMap((row, index) => [lines[index + 1], ...below(row)])].map((line) => line.trimEnd())
    .join("\n");
}

function below({ against, note }: Row): string[] {
  return [...(against ? [`    against: ${against.what}`] : []), ...(note ? [`    ${note}`] : [])];
}

function figure(value: number, { unit }: Row): string {
  const digits = unit === "frames/s" ? 0 : value >= 1000 ? 0 : value >= 10 ? 1 : 2;
  return `${value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits })} ${unit}`;
}

function compared({ measured, against, limit, unit }: Row): string {
  if (!against) return "";
  if (limit?.kind === "above") {
    return `${measured < against.value ? "" : "+"}${Math.round(measured - against.value)} ${unit}`;
  }
  return `${(measured / against.value).toFixed(2)} x`;
}

function limitText({ limit, unit }: Row): string {
  switch (limit?.kind) {
    case undefined:
      return "";
    case "ratio":
      return `${limit.value} x`;
    case "ratio at least":
      return `≥ ${limit.value} x`;
    case "above":
      return `+${limit.value} ${unit}`;
    case "at most":
      return `≤ ${limit.value} ${unit}`;
    case "at least":
      return `≥ ${limit.value.toLocaleString("en")} ${unit}`;
  }
}
