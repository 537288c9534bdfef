/** A table without lines: a head, columns two spaces apart. The only file that knows the table printer. */

import Table from "cli-table3";
import { type Colour, type Paint, plain } from "./colour.ts";

export interface Cell {
  text: string;
  colour?: Colour;
}

const NO_LINES = {
  "top": "",
  "top-mid": "",
  "top-left": "",
  "top-right": "",
  "bottom": "",
  "bottom-mid": "",
  "bottom-left": "",
  "bottom-right": "",
  "left": "",
  "left-mid": "",
  "mid": "",
  "mid-mid": "",
  "right": "",
  "right-mid": "",
  "middle": "  ",
};

/** The table's lines, none of them with spaces at its end. */
export function tableLines(head: readonly string[], rows: readonly Cell[][], paint: Paint = plain): string[] {
  const table = new Table({ chars: NO_LINES, style: { "padding-left": 0, "padding-right": 0, head: [], border: [] } });
  table.push(head.map((text) => paint("bold", text)));
  for (const row of rows) table.push(row.map(({ text, colour }) => paint(colour, text)));
  return table.toString().split("\n").map((line) => line.trimEnd());
}
