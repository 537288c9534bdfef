/** A machine's console log in the store: `serial.log`, one file for all of its starts. */

import { printable } from "../core/printable.ts";

const MAX_BYTES = 1024 * 1024;

/** A console's log from an offset on, at most its last MiB, printable. */
export async function readConsole(path: string, from: number): Promise<string> {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(path);
  } catch {
    return ""; // it never started
  }
  try {
    const { size } = await file.stat();
    // A log that has become shorter was cut: all of it is newer.
    const begin = Math.max(from > size ? 0 : from, size - MAX_BYTES);
    await file.seek(begin, Deno.SeekMode.Start);
    const bytes = new Uint8Array(size - begin);
    let filled = 0;
    while (filled < bytes.length) {
      const count = await file.read(bytes.subarray(filled));
      if (count === null) break;
      filled += count;
    }
    return printable(new TextDecoder().decode(bytes.subarray(0, filled)));
  } finally {
    file.close();
  }
}

/** The last lines of a text, empty ones left out. */
export function lastLines(text: string, count: number): string {
  if (count === 0) return "";
  return text.split("\n").filter((line) => line.trim() !== "").slice(-count).join("\n");
}
