/**
 * A table without lines: a head, and columns two spaces apart.
 *
 * It is our own, because the table printer from npm took longer to load and to print 50 rows than all the rest of `ls`
 * (60 of 150 ms); its lines and wrapped cells are not needed here.
 */

import { type Colour, type Paint, plain } from "./colour.ts";

export interface Cell {
  text: string;
  colour?: Colour;
}

/** The table's lines, none of them with spaces at its end. */
export function tableLines(head: readonly string[], rows: readonly Cell[][], paint: Paint = plain): string[] {
  const all = [head.map((text): Cell => ({ text, colour: "bold" })), ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column].text.length)));
  return all.map((row) => {
    const last = row.findLastIndex(({ text }) => text !== "");
    return row.slice(0, last + 1).map(({ text, colour }, column) => {
      const padding = column < last ? " ".repeat(widths[column] - text.length) : "";
      return paint(colour, text) + padding;
    }).join("  ");
  });
}
