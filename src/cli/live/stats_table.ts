/** The table of `fleetbox stats`. Pure. */

import { clip } from "../../core/bytes.ts";
import type { MemberStats } from "../../control/live/stats.ts";
import { bytesText, sizeText } from "../arguments/sizes.ts";
import { type Paint, plain } from "../terminal/colour.ts";
import type { Size } from "../terminal/live_lines.ts";
import { tableLines } from "../terminal/table.ts";

interface Column {
  head: string;
  text: (stats: MemberStats) => string;
  /** In a window that is too narrow, the columns with the highest number go first. @default 0: it stays */
  goes?: number;
}

const COLUMNS: readonly Column[] = [
  { head: "NAME", text: ({ name }) => name },
  { head: "CPU", text: ({ cpu_percent: cpu }) => cpu === undefined ? "-" : `${Math.round(cpu)}%` },
  { head: "MEMORY", text: memoryText, goes: 1 },
  { head: "READ", text: (stats) => bytesASecond(stats, stats.disk_read_bytes), goes: 3 },
  { head: "WRITTEN", text: (stats) => bytesASecond(stats, stats.disk_written_bytes), goes: 3 },
  { head: "IN", text: (stats) => bytesASecond(stats, stats.in_bytes), goes: 2 },
  { head: "FRAMES", text: (stats) => framesASecond(stats, stats.in_frames), goes: 4 },
  { head: "OUT", text: (stats) => bytesASecond(stats, stats.out_bytes), goes: 2 },
  { head: "FRAMES", text: (stats) => framesASecond(stats, stats.out_frames), goes: 4 },
];

/** A name is shortened to this many characters before a column goes. */
const NAME_COLUMNS = 12;

/** The table's lines; in a window each is narrower than it, and there are fewer than it has rows. */
export function statsLines(all: readonly MemberStats[], size?: Size, paint: Paint = plain): string[] {
  if (all.length === 0) return [clip("no member runs", size ? size.columns - 1 : Infinity)];
  const room = size ? Math.max(1, size.rows - 2) : Infinity; // the head, and the line that the cursor is in
  const shown = all.length <= room ? all : all.slice(0, Math.max(1, room - 1));
  const width = size ? Math.max(1, size.columns - 1) : Infinity;
  const lines = fitting(shown, width, paint);
  const hidden = all.length - shown.length;
  return hidden === 0 ? lines : [...lines, paint("dim", clip(`and ${hidden} more`, width))];
}

function fitting(shown: readonly MemberStats[], width: number, paint: Paint): string[] {
  for (let most = 4;; most--) {
    const columns = COLUMNS.filter(({ goes = 0 }) => goes <= most);
    const texts = shown.map((stats) => columns.map(({ text }) => text(stats)));
    const others = columns.slice(1).map(({ head }, at) =>
      2 + Math.max(head.length, ...texts.map((row) => row[at + 1].length))
    );
    const nameRoom = width - others.reduce((sum, one) => sum + one, 0);
    const longest = Math.max(...shown.map(({ name }) => name.length));
    if (most > 0 && nameRoom < Math.max(4, Math.min(longest, NAME_COLUMNS))) continue;
    const rows = texts.map(([name, ...rest]) => [clip(name, Math.max(1, nameRoom)), ...rest].map((text) => ({ text })));
    const lines = tableLines(columns.map(({ head }) => head), rows, paint);
    // Narrower than a name and a percentage: names alone.
    return nameRoom >= 4 ? lines : shown.map(({ name }) => clip(name, width));
  }
}

/** `88M/256M`: the host's memory, of the guest's size. */
function memoryText({ memory_bytes: bytes, memory_mb: mib }: MemberStats): string {
  return `${bytes === undefined ? "-" : bytesText(bytes)}/${sizeText(mib)}`;
}

function bytesASecond(stats: MemberStats, bytes: number | undefined): string {
  const rate = aSecond(stats, bytes);
  return rate === undefined ? "-" : rate === 0 ? "0" : bytesText(rate);
}

function framesASecond(stats: MemberStats, frames: number | undefined): string {
  const rate = aSecond(stats, frames);
  return rate === undefined ? "-" : String(Math.ceil(rate));
}

function aSecond({ interval_ms: ms }: MemberStats, amount: number | undefined): number | undefined {
  return ms && amount !== undefined ? amount * 1000 / ms : undefined;
}
