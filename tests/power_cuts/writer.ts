/** A guest that writes numbered records and acknowledges each, and what must be on its disk after its power was cut. */

import type { Sandbox } from "../support/sandbox.ts";
import { guestOk } from "../support/guest.ts";
import type { Running } from "../support/command.ts";

/** What writes, and how to find out what it has. */
export interface Writer {
  /** The options of its machine. */
  options: readonly string[];
  /** Makes what it writes to. */
  prepare(box: Sandbox, name: string): Promise<void>;
  /** A line for the guest's shell: after record `last` it writes the next ones, and prints each number when it is there for good. */
  write(last: number): string;
  /** Which records are there: how many that follow each other from the first one on. @throws what is wrong with them */
  count(box: Sandbox, name: string): Promise<number>;
  /** Removes what comes after a record, which a power cut may have left in any state. */
  forgetLater(box: Sandbox, name: string, last: number): Promise<void>;
}

/** How many blocks of 4 KiB the file has that is written without a sync. */
const BLOCKS = 64;

/** Makes the files. */
export async function prepareWriter(box: Sandbox, name: string, writer: Writer): Promise<void> {
  await guestOk(box, name, `dd if=/dev/zero of=blocks bs=4k count=${BLOCKS} 2>/dev/null; sync`);
  await writer.prepare(box, name);
}

/**
 * Starts it after this record; it ends with the machine. Beside it blocks of another file are written straight to the disk, which
 * nobody syncs: what a disk may lose.
 */
export function startWriter(box: Sandbox, name: string, writer: Writer, last: number): Running {
  const blocks = `dd if=/dev/shm/noise of=blocks bs=4k count=${BLOCKS} conv=notrunc oflag=direct 2>/dev/null`;
  const noise = `head -c ${BLOCKS * 4096} /dev/urandom > /dev/shm/noise; (while :; do ${blocks}; done) & `;
  return box.start(["ssh", name, "--", noise + writer.write(last)]);
}

/** The last record that it has acknowledged. */
export function acknowledged({ stdout }: Running, last: number): number {
  const lines = stdout.split("\n").slice(0, -1);
  return lines.length === 0 ? last : Number(lines.at(-1));
}

/** What its kernel has against its disk. */
export async function complaints(box: Sandbox, name: string): Promise<string[]> {
  const lines = (await guestOk(box, name, "sudo dmesg")).split("\n");
  return lines.filter((line) => /EXT4-fs (error|warning)|I\/O error|corrupt|remount|bad block/i.test(line));
}
