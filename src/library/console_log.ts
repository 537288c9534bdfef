/** A machine's console log in the store: `serial.log`, one file for all of its starts. */

import { printable } from "../core/printable.ts";
import { readEnd } from "../system/files.ts";

const MAX_BYTES = 1024 * 1024;

/** A console's log from an offset on, at most its last MiB, printable; empty when the machine never started. */
export function readConsole(path: string, from: number): string {
  return printable(new TextDecoder().decode(readEnd(path, from, MAX_BYTES)));
}

/** The last lines of a text, empty ones left out. */
export function lastLines(text: string, count: number): string {
  if (count === 0) return "";
  return text.split("\n").filter((line) => line.trim() !== "").slice(-count).join("\n");
}
